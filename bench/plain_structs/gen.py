#!/usr/bin/env python3
"""The other candidate of ADR 0001, for measuring only: plain C++ structs with generated codecs, from the same schema files.

Usage: gen.py OUT_DIR ROOT,ROOT… FILE.schema…   Writes OUT_DIR/plain.h and plain.cc: every type reachable from the roots
(core_v1.Pod …), JSON and protobuf decode and encode.
"""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../../tools'))
from schemagen import Gen, snake, ident  # noqa: E402

CPP = {'bool': 'bool', 'int32': 'std::int32_t', 'int64': 'std::int64_t', 'double': 'double', 'float64': 'double', 'string': 'std::string',
       'bytes': 'Blob', 'time': 'When<false>', 'microtime': 'When<true>', 'duration': 'std::int64_t', 'quantity': 'Amount',
       'intorstring': 'NumberOrText', 'fieldsv1': 'RawText', 'raw': 'RawText', 'any': 'RawText'}


def cpp_name(full):
    return full.replace('.', '_')


class Plain:
    def __init__(self, gen, roots):
        self.gen, self.order, seen = gen, [], set()

        def visit(full):
            if full in seen:
                return
            seen.add(full)
            for f in gen.by_name[full].fields:
                if f.ref:
                    visit(f.ref)
            self.order.append(gen.by_name[full])

        for r in roots:
            visit(r)

    def field_type(self, f):
        t = cpp_name(f.ref) if f.ref else CPP[f.word]
        if f.shape == 'kList':
            return 'std::optional<std::vector<%s>>' % t
        if f.shape == 'kMap':
            return 'std::optional<std::map<std::string, %s, std::less<>>>' % t
        if f.pointer:
            return ('std::unique_ptr<%s>' if f.ref else 'std::optional<%s>') % t
        return t

    def header(self):
        o = ['#pragma once', '#include "bench/plain_structs/support.h"', 'namespace keelson::bench::plain {']
        for t in self.order:
            n = cpp_name(t.full)
            o.append('struct %s {' % n)
            o += ['  %s %s{};' % (self.field_type(f), ident(snake(f.name))) for f in t.fields]
            o.append('};')
            o.append('bool decode_json(Scanner& s, Arena& a, %s& o);\nvoid encode_json(std::string& out, const %s& o);' % (n, n))
            o.append('bool decode_pb(std::string_view bytes, %s& o);\nvoid encode_pb(Back& w, const %s& o);\nbool is_zero(const %s& o);' % (
                n, n, n))
        o.append('}')
        return '\n'.join(o) + '\n'

    def source(self):
        deps = sorted({t.full.split('.')[0] for t in self.order})
        o = ['#include "plain.h"'] + ['#include "api/gen/%s.h"' % d for d in deps]
        o += ['#include "bench/plain_structs/templates.h"', 'namespace keelson::bench::plain {']
        for t in self.order:
            n = cpp_name(t.full)
            ns, short = t.full.split('.')
            names = [ident(snake(f.name)) for f in t.fields]
            o.append('bool decode_json(Scanner& s, Arena& a, %s& o) {' % n)
            o.append('  return object(s, a, api::%s::types::%s, [&](unsigned index) {' % (ns, short))
            o.append('    switch (index) {')
            o += ['      case %d: return read(s, a, o.%s);' % (f.index, m) for f, m in zip(t.fields, names)]
            o.append('      default: return false;\n    }\n  });\n}')
            o.append('void encode_json(std::string& out, const %s& o) {\n  const std::size_t start = out.size();\n  out += \'{\';' % n)
            for f, m in zip(t.fields, names):
                struct = f.ref or f.word in ('time', 'microtime', 'quantity', 'intorstring', 'raw')
                omit = 'omit' in f.attrs and (f.pointer or f.shape != 'kSingle' or not struct)
                cond = 'if (!left_out(o.%s)) ' % m if omit else 'if (!is_zero(o.%s)) ' % m if 'omitzero' in f.attrs else ''
                o.append('  %s{ out.append("\\"%s\\":"); write(out, o.%s); out += \',\'; }' % (cond, f.name, m))
            o.append('  if (out.size() > start + 1) out.back() = \'}\'; else out += \'}\';\n}')

            def decode(proto, indent):
                lines = []
                for number, x in proto:
                    if isinstance(x, list):
                        lines.append('%scase %d: { wire::Reader r%d(r.bytes()); wire::Reader& outer = r%d; while (outer.next()) { wire::Reader& r = outer; switch (r.field()) {' % (indent, number, number, number))
                        lines += decode(x, indent + '  ')
                        lines.append('%s  default: break; } } if (!outer.ok()) return false; break; }' % indent)
                    else:
                        lines.append('%scase %d: if (!take(r, o.%s)) return false; break;' % (indent, number, names[x]))
                return lines

            def encode(proto, indent):
                lines = []
                for number, x in reversed(proto):
                    if isinstance(x, list):
                        lines.append('%s{ const std::size_t before = w.written();' % indent)
                        lines += encode(x, indent + '  ')
                        lines.append('%sw.close(%d, before); }' % (indent, number))
                    else:
                        lines.append('%sput(w, %d, o.%s);' % (indent, number, names[x]))
                return lines

            o.append('bool decode_pb(std::string_view bytes, %s& o) {\n  wire::Reader r(bytes);\n  while (r.next()) switch (r.field()) {' % n)
            o += decode(t.proto, '    ')
            o.append('    default: break;\n  }\n  return r.ok();\n}')
            o.append('void encode_pb([[maybe_unused]] Back& w, [[maybe_unused]] const %s& o) {' % n)
            o += encode(t.proto, '  ')
            o.append('}')
            o.append('bool is_zero([[maybe_unused]] const %s& o) { return %s; }' % (n, ' && '.join('is_zero(o.%s)' % m for m in names) or 'true'))
        o.append('}')
        return '\n'.join(o) + '\n'


if __name__ == '__main__':
    out, roots, files = sys.argv[1], sys.argv[2].split(','), sys.argv[3:]
    p = Plain(Gen(out, files), roots)
    os.makedirs(out, exist_ok=True)
    open(os.path.join(out, 'plain.h'), 'w').write(p.header())
    open(os.path.join(out, 'plain.cc'), 'w').write(p.source())
