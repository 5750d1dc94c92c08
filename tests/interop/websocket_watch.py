"""A watch over the JSON gateway's WebSocket, with nothing but Python's own library: create, see a put, cancel. Prints what it got."""
import base64, json, os, socket, ssl, struct, sys, urllib.request

host, port, ca, cert, key = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
context.load_cert_chain(cert, key)


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Socket:
    def __init__(self, path):
        self.s = context.wrap_socket(socket.create_connection((host, port), 10))
        self.s.settimeout(10)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n\r\n").encode())
        self.f = self.s.makefile("rb")
        status = self.f.readline()
        assert b" 101 " in status, status
        while self.f.readline().strip():
            pass

    def send(self, value):
        data, mask = json.dumps(value).encode(), os.urandom(4)
        length = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xfe, len(data))
        self.s.sendall(length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        """A message; None: the other side has closed."""
        kind, length = struct.unpack("!BB", self.f.read(2))
        if length == 126:
            length, = struct.unpack("!H", self.f.read(2))
        data = self.f.read(length)
        return None if kind & 15 == 8 else json.loads(data)


def put(value):
    r = urllib.request.Request(f"https://{host}:{port}/v3/kv/put", json.dumps({"key": b64("ws"), "value": b64(value)}).encode(), method="POST")
    urllib.request.urlopen(r, context=context, timeout=10).read()


ws = Socket("/v3/watch")
ws.send({"create_request": {"key": b64("ws")}})
created = ws.receive()["result"]
assert created["created"], created
for value in ("one", "two"):
    put(value)
    event = ws.receive()["result"]["events"][0]["kv"]
    assert base64.b64decode(event["value"]).decode() == value, event
ws.send({"cancel_request": {"watch_id": created.get("watch_id", "0")}})
assert ws.receive()["result"]["canceled"]
bad = Socket("/v3/watch")
bad.send({"create_request": {"key": 5}})
assert "error" in bad.receive()
assert bad.receive() is None
print("ok")
