"""A name server on 127.0.0.0/8:53 for one test: SRV and A records out of a dict. RFC 1035, RFC 2782."""
import socket, struct, threading


def encoded(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\0"


class DnsServer:
    """srv: name -> [(port, target)]; a: name -> address. Other names do not exist."""

    def __init__(self, address, srv, a):
        self.srv, self.a = srv, a
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RD)  # wakes serve(); an unconnected socket says ENOTCONN
        except OSError:
            pass
        self.socket.close()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
                if not query:
                    return
                self.socket.sendto(self.answer(query), client)
            except OSError:
                return

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels)
        data = []
        if kind == 33:
            data = [struct.pack(">HHH", 1, 1, port) + encoded(target) for port, target in self.srv.get(name, [])]
        elif kind == 1 and name in self.a:
            data = [socket.inet_aton(self.a[name])]
        known = name in self.srv or name in self.a
        flags = 0x8580 | (0 if known else 3)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(d)) + d for d in data)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(data), 0, 0) + question + records
