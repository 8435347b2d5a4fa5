"""ClickHouse's HTTP interface, as far as @clickhouse/client asks, before the engine that chdb runs in process.

Usage: server.py <port> <folder> <user> <password>. One statement runs at a time.
"""

import base64
import json
import os
import re
import sys
import tempfile
import threading
import time
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

PORT, FOLDER, USER, PASSWORD = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
# Of a request, but neither parameters nor settings of the engine.
NO_SETTINGS = {"query", "query_id", "database", "session_id", "role", "default_format", "wait_end_of_query"}

engine = session.Session(FOLDER)
# Statements of tests are small.
engine.query("SET max_threads = 1")
one_at_a_time = threading.Lock()
# As the statement before left them.
current = {"settings": {}, "database": None}


def run(statement, parameters, settings, database, body):
    """The answer, as bytes."""
    with one_at_a_time, tempfile.NamedTemporaryFile() as file:
        if body:
            # Rows that are part of the statement take this engine minutes.
            file.write(body)
            file.flush()
            statement = re.sub(r"\sFORMAT\s", f" FROM INFILE '{file.name}' FORMAT ", statement, count=1)
        set_up(settings, database)
        return engine.query(statement, "TabSeparated", params=parameters).bytes()


def set_up(settings, database):
    if database and database != current["database"]:
        engine.query(f"USE `{database}`")
        current["database"] = database
    before = current["settings"]
    for name in before.keys() - settings.keys():
        engine.query(f"SET {name} = DEFAULT")
    for name, value in settings.items():
        if before.get(name) != value:
            engine.query(f"SET {name} = '{value}'")
    current["settings"] = settings


def parts_of(content_type, body):
    """The fields of a multipart form."""
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
        for part in message.get_payload()
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.read_chunks()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.is_known():
            text = f"Code: 516. DB::Exception: {USER}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            self.answer(403, text.encode())
            return
        fields = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            fields |= parts_of(content_type, body)
            body = b""
        statement = fields.get("query")
        if statement is None:
            statement, body = body.decode(), b""
        parameters = {name[6:]: value for name, value in fields.items() if name.startswith("param_")}
        settings = {
            name: value for name, value in fields.items() if name not in NO_SETTINGS and not name.startswith("param_")
        }
        try:
            answer = run(statement, parameters, settings, fields.get("database"), body)
        except Exception as error:
            self.answer(500, str(error).encode())
            return
        self.answer(200, answer)

    def is_known(self):
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        return kind == "Basic" and base64.b64decode(given).decode() == f"{USER}:{PASSWORD}"

    def read_chunks(self):
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        code = re.match(rb"Code: (\d+)", body) if status != 200 else None
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code[1].decode())
        self.send_header("X-ClickHouse-Summary", json.dumps({}))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


def end_with_parent(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
