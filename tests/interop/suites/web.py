"""The web suite: clients for browsers over WebSocket and BOSH, files by slixmpp and curl, host-meta by curl."""

import asyncio
import json
import os
import pathlib
import shutil

from interop import install
from interop.people import Cast, account
from interop.stage import Skip, Stage, expect, expect_equal

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "web"
ORIGIN = "https://chat.example"
PAGE = b"<html><script>alert(1)</script></html>"

stage = Stage()
play = stage.play


def run(server, only=()):
    shutil.copytree(SCRIPTS, install.NODE, dirs_exist_ok=True)
    closed = type(server)(pathlib.Path(str(server.folder) + "-closed"))
    servers = [server] if server.name != "crosspoint" else [server, closed]
    server.serve_web()
    if closed in servers:
        closed.serve_web(origins=[ORIGIN])
    for one in servers:
        one.start()
    try:
        return stage.run("web", server, only, closed=closed if closed in servers else None)
    finally:
        for one in servers:
            one.stop()


async def output(*command, env=None):
    """What a program prints, if it ends well."""
    child = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=install.NODE, env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await child.communicate()
    if child.returncode:
        raise RuntimeError("%s: %s" % (command[0], err.decode(errors="replace")[-400:]))
    return out


async def node(server, script, service, **more):
    """A script's result; its people are new."""
    users = [account(server, stem) for stem in ("romeo", "juliet")]
    task = {"service": service, "domain": server.domain, "address": server.address, "origin": ORIGIN, "users": users, **more}
    out = await output("node", script, json.dumps(task), env={"NODE_EXTRA_CA_CERTS": str(server.certificate)})
    return json.loads(out.decode().splitlines()[-1])


async def curl(server, *arguments):
    """(status, head in small letters, body) of a request."""
    resolve = "%s:5284:%s" % (server.domain, server.address)
    out = await output("curl", "-s", "-i", "--cacert", server.certificate, "--resolve", resolve, *arguments)
    head, _, body = out.partition(b"\r\n\r\n")
    while body.startswith(b"HTTP/1.1 "):
        head, _, body = body.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


def expect_talk(told):
    expect_equal(told["heard"][0], "But, soft! <&> \u00e9 \U0001f319", "first words")
    expect_equal(told["heard"][1:], ["line %d" % line for line in range(5)], "what was said meanwhile")


@play(seconds=60)
async def xmpp_js_talks_and_resumes_over_websocket(server, **_):
    expect_talk(await node(server, "xmpp_js.mjs", server.web_url("ws") + "/xmpp-websocket"))


@play("wss", seconds=60)
async def xmpp_js_talks_and_resumes_over_websocket_in_tls(server, **_):
    expect_talk(await node(server, "xmpp_js.mjs", server.web_url("wss") + "/xmpp-websocket"))


@play(seconds=60)
async def xmpp_js_meets_in_a_room_and_reads_both_archives(server, **_):
    room = "square-%d@%s" % (os.getpid(), server.rooms)
    told = await node(server, "xmpp_js_room.mjs", server.web_url("ws") + "/xmpp-websocket", room=room)
    alone = ["alone %d" % line for line in range(6)]
    in_room = ["in the room %d" % line for line in range(7)]
    expect("201" in told["made"], "a new room: %s" % told["made"])
    expect_equal(told["heard"], alone[:5] + in_room, "what Juliet heard, cut off and back, once and in order")
    expect(not told["left"], "nobody saw her leave")
    expect_equal([body for _, body in told["own"]], alone, "her archive, read by a client that knows nothing")
    writers = [writer.partition("@")[0].rstrip("0123456789") for writer, _ in told["own"]]
    expect_equal(writers, ["romeo"] * 5 + ["juliet"], "who wrote it")
    expect_equal(told["shown"], in_room, "what the room shows to who enters")
    nicknames = [room + "/" + ("Juliet" if line in (0, 6) else "Romeo") for line in range(7)]
    expect_equal(told["inRoom"], [list(pair) for pair in zip(nicknames, in_room)], "the archive of the room")


def expect_strophe(told):
    expect_equal(told, {"inOrder": True, "back": ["done"]}, "told")


@play(seconds=60)
async def strophe_talks_over_bosh(server, **_):
    expect_strophe(await node(server, "strophe.cjs", server.web_url("http") + "/http-bind"))


@play(seconds=60)
async def strophe_talks_over_websocket(server, **_):
    expect_strophe(await node(server, "strophe.cjs", server.web_url("ws") + "/xmpp-websocket"))


@play(seconds=60)
async def a_page_of_another_origin_is_kept_out_and_a_known_one_let_in(server, closed):
    if closed is None:
        raise Skip("no second server is set up for it")
    url = closed.web_url("http") + "/http-bind"
    expect_strophe(await node(closed, "strophe.cjs", url))
    told = await node(closed, "strophe.cjs", url, origin="https://evil.example")
    expect("failed" in told, "a page of another origin has logged in: %r" % told)


@play()
async def a_file_goes_up_by_slixmpp_and_comes_down_by_curl(server, **_):
    content = os.urandom(1_000_000)
    path = server.folder / "a b \u00e9.png"
    path.write_bytes(content)
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=["xep_0363"])
        url = await romeo.plugin["xep_0363"].upload_file(path, content_type="image/png", timeout=8)
    status, head, body = await curl(server, url)
    expect_equal(status, 200, "status")
    expect(body == content, "the file has changed")
    expect("content-type: image/png" in head, head)
    status, head, _ = await curl(server, "-I", url)
    expect_equal(status, 200, "HEAD")
    if "ranges" not in server.lacks:
        status, head, body = await curl(server, "-r", "10-19", url)
        expect_equal((status, body), (206, content[10:20]), "a range")


@play()
async def a_file_that_is_too_large_is_refused_by_its_size(server, **_):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=["xep_0363"])
        upload = romeo.plugin["xep_0363"]
        service = (await upload.find_upload_service(timeout=8))["from"]
        try:
            await upload.request_slot(service, "a.bin", 10**12, "application/octet-stream", timeout=8)
        except Exception as error:
            text = str(error.iq)
            expect("file-too-large" in text and "max-file-size" in text, text)
            return
    raise AssertionError("a terabyte was let in")


@play("upload-html")
async def an_uploaded_page_comes_back_as_bytes_to_save(server, **_):
    async with Cast(server) as cast:
        romeo = await cast.online("romeo", plugins=["xep_0363"])
        upload = romeo.plugin["xep_0363"]
        service = (await upload.find_upload_service(timeout=8))["from"]
        slot = await upload.request_slot(service, "page.html", len(PAGE), "text/html", timeout=8)
    put, get = slot["http_upload_slot"]["put"]["url"], slot["http_upload_slot"]["get"]["url"]
    page = server.folder / "page.html"
    page.write_bytes(PAGE)
    wanted = ["-H", "Content-Type: text/html", "--upload-file", page, put]
    expect_equal((await curl(server, "-H", "Content-Type: text/plain", "--upload-file", page, put))[0], 403, "another type")
    expect_equal((await curl(server, *wanted))[0], 201, "PUT")
    expect_equal((await curl(server, *wanted))[0], 409, "PUT again")
    status, head, body = await curl(server, get)
    expect_equal((status, body), (200, PAGE), "GET")
    for line in ("content-type: application/octet-stream", "content-disposition: attachment", "x-content-type-options: nosniff",
                 "content-security-policy: default-src 'none'", "sandbox"):
        expect(line in head, "%s in %s" % (line, head))


@play("host-meta")
async def host_meta_leads_to_both_ways_over_tls(server, **_):
    url = server.web_url("https") + "/.well-known/host-meta"
    status, head, body = await curl(server, "-H", "Origin: " + ORIGIN, url)
    expect_equal(status, 200, "status")
    expect("access-control-allow-origin: *" in head, head)
    expect(b"urn:xmpp:alt-connections:xbosh" in body and b"urn:xmpp:alt-connections:websocket" in body, body)
    status, _, body = await curl(server, url + ".json")
    links = {link["rel"]: link["href"] for link in json.loads(body)["links"]}
    expect_equal(links["urn:xmpp:alt-connections:websocket"], server.web_url("wss") + "/xmpp-websocket", "WebSocket")
    expect_equal(links["urn:xmpp:alt-connections:xbosh"], server.web_url("http") + "/http-bind", "BOSH")
