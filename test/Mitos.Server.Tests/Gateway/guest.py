# A server for the tests of the gateway, in a sandbox: guest.py ADDRESS PORT
import base64, hashlib, http.server, socket, struct, sys, threading

released, gone = threading.Event(), threading.Event()


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    request_queue_size = 64


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        if self.rfile.peek(3)[:3] == b"PRI":
            self.serve_grpc()
        else:
            super().handle()

    # HTTP/2 without TLS, as far as one call needs it: its messages come back, and then its status.
    def serve_grpc(self):
        def send(kind, flags, stream, payload=b""):
            self.wfile.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

        def literal(name, value):
            return bytes([0, len(name)]) + name + bytes([len(value)]) + value

        data, headers, settings, ping = 0, 1, 4, 6
        self.rfile.read(24)
        send(settings, 0, 0)
        bodies = {}
        while head := self.rfile.read(9):
            payload = self.rfile.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind in (settings, ping) and not flags & 1:
                send(kind, 1, 0, payload if kind == ping else b"")
            elif kind == data:
                bodies[stream] = bodies.get(stream, b"") + payload
            if kind in (data, headers) and flags & 1:
                send(headers, 4, stream, b"\x88" + literal(b"content-type", b"application/grpc"))
                send(data, 0, stream, bodies.pop(stream, b""))
                send(headers, 5, stream, literal(b"grpc-status", b"0"))

    def do_GET(self):
        if self.path == "/where":
            self.answer(f"{self.server.server_address[0]} {self.headers['Host']}".encode())
        elif self.path.startswith("/zeros/"):
            size = int(self.path[7:])
            self.begin(200, ("Content-Length", str(size)))
            block = bytes(1 << 16)
            while size > 0:
                self.wfile.write(block[:size])
                size -= len(block)
        elif self.path == "/stream":
            released.clear()
            self.begin(200, ("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"))
            self.chunk(b"data: one\n\n")
            released.wait()
            self.chunk(b"data: two\n\n")
            self.chunk(b"")
        elif self.path == "/release":
            released.set()
            self.answer(b"")
        elif self.path == "/endless":
            gone.clear()
            self.begin(200, ("Transfer-Encoding", "chunked"))
            try:
                while True:
                    self.chunk(bytes(1 << 16))
            except OSError:
                gone.set()
            self.close_connection = True
        elif self.path == "/gone":
            self.answer(b"gone" if gone.wait(60) else b"there")
        elif self.path == "/mute":
            self.close_connection = True
        elif self.path == "/cut":
            self.begin(200, ("Content-Length", "10"))
            self.wfile.write(b"half")
            self.close_connection = True
        elif self.path == "/cors":
            self.begin(200, ("Access-Control-Allow-Origin", "https://a.example"), ("Content-Length", "0"))
        elif self.headers.get("Upgrade") == "websocket":
            self.echo()
        else:
            self.answer(self.path.encode())

    def do_POST(self):
        digest, size = hashlib.sha256(), 0
        for block in self.blocks():
            digest.update(block)
            size += len(block)
        self.answer(f"{size} {digest.hexdigest()}".encode())

    def do_OPTIONS(self):
        self.begin(204, ("Access-Control-Allow-Origin", "https://a.example"), ("Access-Control-Allow-Methods", "GET"))

    def blocks(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers["Content-Length"])
            while left > 0:
                block = self.rfile.read(min(left, 1 << 16))
                left -= len(block)
                yield block

    def echo(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.begin(101, ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()))
        while True:
            first, size = struct.unpack("!BB", self.rfile.read(2))
            size &= 127
            if size == 126:
                (size,) = struct.unpack("!H", self.rfile.read(2))
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(size)))
            self.wfile.write(struct.pack("!BB", first, size) if size < 126 else struct.pack("!BBH", first, 126, size))
            self.wfile.write(data)
            if first & 15 == 8:
                break
        self.close_connection = True

    def begin(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def answer(self, body):
        self.begin(200, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_):
        pass


Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
