#!/usr/bin/env python3
"""Writes api/schema/*.schema from the facts: Go struct facts (main.go's output) + the recorded schemas, discovery and columns.

Usage: go run . > facts.json; merge.py facts.json DATA_DIR OUT_DIR
Descriptions already written in OUT_DIR's files (our own words) are kept. Run by hand when the API level changes; the
files it writes are the source of truth afterwards (format: api/schema/README.md).
"""
import json, os, re, sys

KINDS = """
core: Namespace Node Pod Service Endpoints ConfigMap Secret ServiceAccount Event ReplicationController ComponentStatus
 Binding PodTemplate RangeAllocation PodLogOptions PodExecOptions PodAttachOptions PodPortForwardOptions PodProxyOptions
 NodeProxyOptions ServiceProxyOptions
apps: Deployment ReplicaSet
autoscaling: Scale
authentication.k8s.io: TokenRequest TokenReview SelfSubjectReview
authorization.k8s.io: SubjectAccessReview SelfSubjectAccessReview LocalSubjectAccessReview SelfSubjectRulesReview
coordination.k8s.io: Lease
discovery.k8s.io: EndpointSlice
events.k8s.io: Event
networking.k8s.io: IPAddress ServiceCIDR
policy: Eviction
scheduling.k8s.io: PriorityClass
meta.k8s.io: Status Table PartialObjectMetadata PartialObjectMetadataList List APIVersions APIGroup APIGroupList
 APIResourceList WatchEvent TableOptions ListOptions GetOptions DeleteOptions CreateOptions UpdateOptions PatchOptions
apidiscovery.k8s.io: APIGroupDiscovery APIGroupDiscoveryList
"""
# Kinds that exist as types only: no resource of theirs is served.
NOT_SERVED = {'PodTemplate'}
# Kinds of meta/v1 that are written with apiVersion "v1".
UNNAMED_GROUP = {'Status', 'List', 'APIVersions', 'APIGroup', 'APIGroupList', 'APIResourceList'}
STORAGE = {'replicationcontrollers': 'controllers', 'nodes': 'minions', 'services': 'services/specs',
           'endpoints': 'services/endpoints'}
# Go interfaces and private helpers that never appear on the wire are left out by main.go; these scalars map 1:1.
SCALARS = {'bool', 'int32', 'int64', 'string', 'bytes', 'time', 'microtime', 'duration', 'quantity', 'intorstring',
           'fieldsv1', 'raw', 'any', 'float64', 'uint8', 'uint32'}


def file_of(pkg):
    parts = pkg.split('/')
    return parts[-2] + '_' + parts[-1]


def openapi_prefix(pkg):
    host, *rest = pkg.split('/')
    return '.'.join(list(reversed(host.split('.'))) + rest)


def quote(s):
    return '"' + s.replace('\\', '\\\\').replace('"', '\\"') + '"'


class Merger:
    def __init__(self, facts, data, out):
        self.types, self.gvks = facts['types'], facts['kinds']
        f = os.path.join(data, 'kube-v1.36-facts')
        self.schemas = json.load(open(os.path.join(f, 'schemas.json')))
        self.discovery = json.load(open(os.path.join(f, 'discovery.json')))
        self.columns = json.load(open(os.path.join(f, 'table-columns.json')))
        self.out = out
        self.emitted, self.inlined = {}, set()
        self.old = self.read_descriptions()

    def read_descriptions(self):
        old, cur = {}, None
        for n in os.listdir(self.out) if os.path.isdir(self.out) else []:
            if not n.endswith('.schema'):
                continue
            for line in open(os.path.join(self.out, n)):
                m = re.match(r'(type|kind) (\S+).*?(?: ("(?:[^"\\]|\\.)*"))?$', line.rstrip())
                if m:
                    cur = (n, m[1], m[2])
                    if m[3]:
                        old[cur] = m[3]
                    continue
                m = re.match(r'  (column "[^"]*"|\S+) .*? ("(?:[^"\\]|\\.)*")$', line.rstrip())
                if m and cur:
                    old[cur + (m[1],)] = m[2]
        return old

    def ref(self, d, here):
        f = file_of(d['pkg'])
        return d['name'] if f == here else f + '.' + d['name']

    def type_text(self, d, here, attrs):
        """The type column; named Go types go into attrs."""
        k = d['kind']
        if k == 'ptr':
            return '*' + self.type_text(d['elem'], here, attrs)
        if k == 'slice':
            inner = self.type_text(d['elem'], here, attrs)
            if d['go'] != '[]' + d['elem']['go']:
                attrs.append('golist=' + d['go'])
            return '[]' + inner
        if k == 'map':
            if d['key']['go'] != 'string':
                attrs.append('gokey=' + d['key']['go'])
            inner = self.type_text(d['elem'], here, attrs)
            want = 'map[%s]%s' % (d['key']['go'], d['elem']['go'])
            if d['go'] != want:
                attrs.append('gomap=' + d['go'])
            return '{}' + inner
        if k == 'struct':
            self.need(d['pkg'] + '.' + d['name'])
            return self.ref(d, here)
        assert k in SCALARS, (k, d)
        plain = {'bytes': '[]uint8', 'time': 'v1.Time', 'microtime': 'v1.MicroTime', 'duration': 'v1.Duration',
                 'quantity': 'resource.Quantity', 'intorstring': 'intstr.IntOrString', 'fieldsv1': 'v1.FieldsV1',
                 'raw': 'runtime.RawExtension', 'any': 'interface {}'}.get(k, k)
        if d['go'] != plain:
            attrs.append('go=' + d['go'])
        return k

    def need(self, full, parent_schema=None):
        if full in self.emitted:
            return
        self.emitted[full] = None
        t = self.types[full]
        here = file_of(t['pkg'])
        oname = openapi_prefix(t['pkg']) + '.' + t['name']
        schema = self.schemas.get(oname) or parent_schema or {}
        lines, head = [], 'type ' + t['name']
        if t.get('list'):
            attrs = []
            head += ' wraps=' + self.type_text(t['list'], here, attrs)
        if schema.get('x-kubernetes-map-type'):
            head += ' map=' + schema['x-kubernetes-map-type']
        for u in schema.get('x-kubernetes-unions', []):
            head += ' union=' + (u.get('discriminator', '')) + ':' + ','.join(
                '%s=%s' % kv for kv in u.get('fields-to-discriminateBy', {}).items())
        for f in t['fields'] or []:
            number = (f['proto'].split(',') + ['', ''])[1] or '-'
            if f['inline']:
                full_in = f['type']['pkg'] + '.' + f['type']['name']
                self.need(full_in, schema)
                self.inlined.add(full_in)
                lines.append('  inline %s %s' % (number, self.ref(f['type'], here)))
                continue
            if f['json'] == '-':
                continue
            attrs = []
            tt = self.type_text(f['type'], here, attrs)
            flags = []
            if f['omitempty']:
                flags.append('omit')
            if f['omitzero']:
                flags.append('omitzero')
            p = schema.get('properties', {}).get(f['json'], {})
            if f['json'] in schema.get('required', []):
                flags.append('required')
            if 'default' in p and not self.auto_default(f, p):
                flags.append('default=' + json.dumps(p['default'], separators=(',', ':')))
            elif 'default' in p:
                flags.append('default')
            if 'enum' in p:
                flags.append('enum=' + '|'.join(p['enum']))
            items = p.get('items', {})
            if 'enum' in items:
                flags.append('itemenum=' + '|'.join(items['enum']))
            lt = p.get('x-kubernetes-list-type')
            if lt == 'map':
                lt = 'map(' + ','.join(p['x-kubernetes-list-map-keys']) + ')'
            if lt:
                flags.append('list=' + lt)
            if p.get('x-kubernetes-map-type'):
                flags.append('map=' + p['x-kubernetes-map-type'])
            if f['strategy']:
                flags.append('patch=' + f['strategy'])
            if f['mergeKey']:
                flags.append('mergekey=' + f['mergeKey'])
            if p.get('x-kubernetes-patch-strategy', '') != f['strategy'] and schema:
                flags.append('openapipatch=' + p.get('x-kubernetes-patch-strategy', '-'))
            if p.get('x-kubernetes-patch-merge-key', '') != f['mergeKey'] and schema:
                flags.append('openapikey=' + p.get('x-kubernetes-patch-merge-key', '-'))
            line = ' '.join(['  ' + f['json'], number, tt] + flags + attrs)
            d = self.old.get((here + '.schema', 'type', t['name'], f['json']))
            lines.append(line + (' ' + d if d else ''))
        d = self.old.get((here + '.schema', 'type', t['name']))
        self.emitted[full] = (here, t['name'], head + (' ' + d if d else ''), lines)

    @staticmethod
    def auto_default(f, p):
        k = f['type']['kind']
        zero = {'string': '', 'bool': False, 'int32': 0, 'int64': 0, 'struct': {}}.get(k, None)
        return zero is not None and p['default'] == zero and type(p['default']) is type(zero)

    def resources(self, group, kind):
        items = self.discovery['api' if group == '' else 'apis']['items']
        for g in items:
            if g['metadata'].get('name', '') != group:
                continue
            for v in g['versions']:
                if v['version'] not in ('v1', 'v2'):
                    continue
                for r in v['resources']:
                    if r['responseKind']['kind'] == kind and r.get('verbs'):
                        yield v['version'], r

    def kind_lines(self, group, version, kind, here):
        full = self.gvks['%s/%s/%s' % (group, version, kind)]
        lst = '%s/%s/%sList' % (group, version, kind)
        head = 'kind ' + kind
        if kind in UNNAMED_GROUP and group == 'meta.k8s.io':
            head += ' group=core'
        if lst in self.gvks and kind not in ('APIGroup',):
            self.need(self.gvks[lst])
            head += ' list=' + kind + 'List'
        lines = []
        res = [] if kind in NOT_SERVED else list(self.resources(group, kind))
        for _, r in res[:1]:
            head += ' resource=%s singular=%s scope=%s' % (r['resource'], r['singularResource'], r['scope'])
            if r.get('shortNames'):
                head += ' short=' + ','.join(r['shortNames'])
            if r.get('categories'):
                head += ' categories=' + ','.join(r['categories'])
            head += ' verbs=' + ','.join(r['verbs'])
            if 'create' in r['verbs'] and 'get' in r['verbs']:
                head += ' storage=' + STORAGE.get(r['resource'], r['resource'])
            for s in r.get('subresources', []):
                rk = s['responseKind']
                g, v = (rk['group'], rk['version']) if rk['version'] else (group, version)
                lines.append('  sub %s kind=%s verbs=%s' % (
                    s['subresource'], '%s/%s/%s' % (g or 'core', v, rk['kind']), ','.join(s['verbs'])))
            key = ('%s/' % group if group else '') + version + '/' + r['resource']
            cols = self.columns.get(key) or self.columns.get('/' + key) or []
            for c in cols:
                line = '  column %s %s %s %d' % (quote(c[0]), c[1], c[2] or '-', c[3])
                d = self.old.get((here + '.schema', 'kind', kind, 'column ' + quote(c[0])))
                lines.append(line + (' ' + d if d else ''))
        if kind == 'RangeAllocation':
            head += ' storage=ranges'
        return [head] + lines

    def run(self):
        files, group, kinds = {}, None, []
        for word in KINDS.split():
            if word.endswith(':'):
                group = '' if word == 'core:' else word[:-1]
                continue
            version = 'v2' if group == 'apidiscovery.k8s.io' else 'v1'
            full = self.gvks['%s/%s/%s' % (group, version, word)]
            self.need(full)
            here = file_of(self.types[full]['pkg'])
            kinds.append((here, group, version, self.kind_lines(group, version, word, here)))
        for here, name, head, lines in [v for v in self.emitted.values()]:
            files.setdefault(here, {'types': [], 'kinds': []})['types'].append((name, head, lines))
        meta = {}
        for full in self.emitted:
            meta[file_of(self.types[full]['pkg'])] = self.types[full]['pkg']
        groups = {}
        for here, group, version, lines in kinds:
            files[here]['kinds'].append(lines)
            groups[here] = (group, version)
        only_inlined = {self.emitted[i][1] for i in self.inlined}
        os.makedirs(self.out, exist_ok=True)
        for here, f in sorted(files.items()):
            g, v = groups.get(here, (None, here.split('_')[-1]))
            with open(os.path.join(self.out, here + '.schema'), 'w') as o:
                o.write('# Format: README.md. Facts of Kubernetes v1.36; descriptions are our own.\n')
                o.write('group %s\nversion %s\nopenapi %s\n' % (quote(g or ''), v, openapi_prefix(meta[here])))
                for lines in f['kinds']:
                    o.write('\n' + '\n'.join(lines) + '\n')
                for _, head, lines in sorted(f['types']):
                    o.write('\n' + '\n'.join([head] + lines) + '\n')
        print({k: len(v['types']) for k, v in files.items()})


if __name__ == '__main__':
    Merger(json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]).run()
