"""A Hub on 127.0.0.1 for the tests: what the real clients need to create, upload, commit, tag, list and download.

Everything is in memory. Faults are injected by `hub.faults`; `hub.requests` says what was asked for. No checks of
tokens, no pages of listings, no xet: clients run with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

MAIN = "main"


@dataclass
class Fault:
    """What goes wrong with requests whose "METHOD /path" matches `where`.

    Arguments:
        kind: "refuse" closes the connection; "stall" waits `amount` seconds; "cut" ends the body after `amount` bytes;
            "flip" changes the byte at `amount`; "status" answers with the code `amount`.
        times: how often; None for always.
    """

    kind: Literal["refuse", "stall", "cut", "flip", "status"]
    where: str
    amount: float = 0
    times: int | None = None


@dataclass
class Repo:
    """One dataset repository: files by commit, and names of commits."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit({})

    def commit(self, files: dict[str, bytes]) -> str:
        text = f"{len(self.order)}{sorted((name, sha256(content)) for name, content in files.items())}"
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.order.append(sha)
        return sha

    def resolve(self, revision: str) -> str | None:
        if revision == MAIN:
            return self.order[-1]
        return self.tags.get(revision) or (revision if revision in self.commits else None)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(path: str) -> bool:
    return path.endswith((".parquet", ".png"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is no error of the server."""


class LoopbackHub:
    """The server; `url` is what HF_ENDPOINT takes."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def fault_for(self, request: str) -> Fault | None:
        for fault in self.faults:
            if re.search(fault.where, request) and fault.times != 0:
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


@contextmanager
def serving() -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()


class _Answer(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: int, content: Any = None, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.body = content if isinstance(content, bytes) else json.dumps(content).encode()


def _missing(code: str, message: str, **headers: str) -> _Answer:
    return _Answer(404, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message, **headers})


def _handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            request = f"{self.command} {path}"
            hub.requests.append(request)
            fault = hub.fault_for(request)
            if fault is not None:
                if fault.kind == "refuse":
                    self.close_connection = True
                    return
                if fault.kind == "stall":
                    time.sleep(fault.amount)
                if fault.kind == "status":
                    return self.send(_Answer(int(fault.amount), {"error": "injected"}), None)
            try:
                self.route(path, body)
            except _Answer as answer:
                self.send(answer, fault)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def send(self, answer: _Answer, fault: Fault | None) -> None:
            body = answer.body
            if fault is not None and fault.kind == "flip" and len(body) > fault.amount:
                changed = bytearray(body)
                changed[int(fault.amount)] ^= 1
                body = bytes(changed)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault is not None and fault.kind == "cut":
                self.wfile.write(body[: int(fault.amount)])
                self.close_connection = True
                return
            self.wfile.write(body)

        def route(self, path: str, body: bytes) -> None:
            for (command, pattern), handle in ROUTES.items():
                found = re.fullmatch(pattern, path)
                if found and (command == self.command or (command == "GET" and self.command == "HEAD")):
                    handle(self, body, **found.groupdict())
            raise _Answer(404, {"error": f"no route for {self.command} {path}"})

        def repo(self, name: str) -> Repo:
            if name not in hub.repos:
                raise _missing("RepoNotFound", f"no repository {name}")
            return hub.repos[name]

        def files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
            sha = self.repo(name).resolve(revision)
            if sha is None:
                raise _missing("RevisionNotFound", f"no revision {revision}")
            return sha, hub.repos[name].commits[sha]

        def create(self, body: bytes) -> None:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            answer = {"url": f"{hub.url}/datasets/{name}", "name": name, "id": name}
            if name in hub.repos:
                raise _Answer(409, answer | {"error": "it exists"})
            hub.repos[name] = Repo(private=asked.get("private") or asked.get("visibility") == "private")
            raise _Answer(200, answer)

        def validate(self, body: bytes) -> None:
            raise _Answer(200, {"errors": [], "warnings": []})

        def preupload(self, body: bytes, name: str, revision: str) -> None:
            _, files = self.files(name, revision)
            asked = [file["path"] for file in json.loads(body)["files"]]
            known = {p: sha256(files[p]) if is_lfs(p) else git_sha1(files[p]) for p in asked if p in files}
            answers = [
                {"path": p, "uploadMode": "lfs" if is_lfs(p) else "regular", "shouldIgnore": False}
                | ({"oid": known[p]} if p in known else {})
                for p in asked
            ]
            raise _Answer(200, {"files": answers})

        def batch(self, body: bytes, name: str) -> None:
            self.repo(name)
            objects = []
            for asked in json.loads(body)["objects"]:
                upload = {"upload": {"href": f"{hub.url}/objects/{asked['oid']}"}}
                objects.append(asked if asked["oid"] in hub.objects else asked | {"actions": upload})
            raise _Answer(
                200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"}
            )

        def upload(self, body: bytes, oid: str) -> None:
            if sha256(body) != oid:
                raise _Answer(400, {"error": "sha256 differs"})
            hub.objects[oid] = body
            raise _Answer(200, {})

        def commit(self, body: bytes, name: str, revision: str) -> None:
            sha, before = self.files(name, revision)
            files = dict(before)
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "header" and value.get("parentCommit") not in (None, sha):
                    raise _Answer(412, {"error": "stale parent"})
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = hub.objects[value["oid"]]
                elif entry["key"] == "deletedFile":
                    files.pop(value["path"])
            new = hub.repos[name].commit(files)
            raise _Answer(
                200, {"commitOid": new, "commitUrl": f"{hub.url}/datasets/{name}/commit/{new}", "success": True}
            )

        def tag(self, body: bytes, name: str, revision: str) -> None:
            sha, _ = self.files(name, revision)
            wanted = json.loads(body)["tag"]
            if wanted in hub.repos[name].tags:
                raise _Answer(409, {"error": "the tag exists"})
            hub.repos[name].tags[wanted] = sha
            raise _Answer(200, {})

        def info(self, body: bytes, name: str, revision: str = MAIN) -> None:
            sha, files = self.files(name, revision)
            siblings = [{"rfilename": path} for path in sorted(files)]
            raise _Answer(
                200,
                {"id": name, "sha": sha, "siblings": siblings, "private": hub.repos[name].private, "gated": False}
                | {
                    "disabled": False,
                    "lastModified": "2026-01-01T00:00:00.000Z",
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                },
            )

        def tree(self, body: bytes, name: str, revision: str, folder: str = "") -> None:
            _, files = self.files(name, revision)
            inside = {p: c for p, c in files.items() if p.startswith(folder)}
            if folder and not inside:
                raise _missing("EntryNotFound", f"no {folder}")
            entries: list[dict[str, Any]] = []
            for path, content in sorted(inside.items()):
                entry = {"type": "file", "path": path, "size": len(content), "oid": git_sha1(content)}
                if is_lfs(path):
                    entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 130}
                entries.append(entry)
            for parent in sorted({p.rsplit("/", 1)[0] for p in inside if "/" in p[len(folder) :].lstrip("/")}):
                entries.append({"type": "directory", "path": parent, "oid": git_sha1(parent.encode())})
            raise _Answer(200, entries)

        def download(self, body: bytes, name: str, revision: str, path: str) -> None:
            sha, files = self.files(name, revision)
            if path not in files:
                raise _missing("EntryNotFound", f"no {path}", **{"X-Repo-Commit": sha})
            content = files[path]
            etag = sha256(content) if is_lfs(path) else git_sha1(content)
            headers = {"X-Repo-Commit": sha, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
            if is_lfs(path):
                headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))}
            if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
                start = int(wanted[1])
                stop = int(wanted[2]) + 1 if wanted[2] else len(content)
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
                raise _Answer(206, content[start:stop], headers)
            raise _Answer(200, content, headers)

        def refs(self, body: bytes, name: str) -> None:
            repo = self.repo(name)
            branches = [{"name": MAIN, "ref": f"refs/heads/{MAIN}", "targetCommit": repo.order[-1]}]
            tags = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": sha} for t, sha in repo.tags.items()]
            raise _Answer(200, {"branches": branches, "tags": tags, "converts": [], "pullRequests": []})

    api = r"/api/datasets/(?P<name>[^/]+/[^/]+)"
    revision = r"(?P<revision>[^/]+)"
    ROUTES: dict[tuple[str, str], Any] = {
        ("POST", "/api/repos/create"): Handler.create,
        ("POST", "/api/validate-yaml"): Handler.validate,
        ("POST", f"{api}/preupload/{revision}"): Handler.preupload,
        ("POST", r"/datasets/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch"): Handler.batch,
        ("PUT", "/objects/(?P<oid>[0-9a-f]{64})"): Handler.upload,
        ("POST", f"{api}/commit/{revision}"): Handler.commit,
        ("POST", f"{api}/tag/{revision}"): Handler.tag,
        ("GET", api): Handler.info,
        ("GET", f"{api}/revision/{revision}"): Handler.info,
        ("GET", f"{api}/tree/{revision}"): Handler.tree,
        ("GET", f"{api}/tree/{revision}/(?P<folder>.+)"): Handler.tree,
        ("GET", f"{api}/refs"): Handler.refs,
        ("GET", rf"/datasets/(?P<name>[^/]+/[^/]+)/resolve/{revision}/(?P<path>.+)"): Handler.download,
    }
    return Handler
