"""Converse.js in a headless Chromium: a page of our own loads what npm ships, and a person's hands are WebDriver's.

The page and Converse's files come from a small HTTP server on loopback; the browser keeps its profile in a fresh folder, so
that a reload keeps what a browser keeps. Everything that is read is read from what the page shows.
"""

import contextlib
import functools
import http.server
import json
import shutil
import tempfile
import threading

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from . import install

PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Converse</title>
<link rel="stylesheet" href="/dist/converse.min.css"><script type="module" src="/dist/converse.min.js"></script></head>
<body class="converse-fullscreen"><script type="module">
  converse.plugins.add('watch', {
    initialize() {
      window.watched = this._converse;
      this._converse.api.listen.on('connected', () => { window.connected = true });
    }
  });
  converse.initialize(%s);
</script></body></html>
"""
WAIT_SECONDS = 20


class Files(http.server.SimpleHTTPRequestHandler):
    """The page at `/`, Converse's files below it."""

    def __init__(self, *arguments, page, **options):
        self.page = page.encode()
        super().__init__(*arguments, **options)

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_):
        """Nothing: the browser's own console is kept."""


class Site:
    """Where the page is served from: its origin must be known before the server of the suite starts."""

    def __init__(self):
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), None)
        self.origin = "http://127.0.0.1:%d" % self.httpd.server_address[1]
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def show(self, settings):
        self.httpd.RequestHandlerClass = functools.partial(
            Files, page=PAGE % json.dumps(settings), directory=str(install.converse()))

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class Converse:
    """One browser with one account logged in."""

    def __init__(self, site, jid, password, connection):
        site.show({"jid": jid, "password": password, "auto_login": True, "authentication": "login",
                   "whitelisted_plugins": ["watch"], "view_mode": "fullscreen", "discover_connection_methods": False, "i18n": "en", "loglevel": "error",
                   "assets_path": "/dist/", "play_sounds": False, "show_desktop_notifications": False,
                   "clear_cache_on_logout": False, "muc_show_join_leave": False, "auto_reconnect": True,
                   "persistent_store": "localStorage", "theme": "classic", **connection})
        self.site = site
        self.jid = jid
        self.profile = tempfile.mkdtemp(prefix="converse-")
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1000",
                     "--user-data-dir=" + self.profile, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.binary_location = shutil.which("chromium")
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))

    def __enter__(self):
        self.enter_page()
        return self

    def __exit__(self, *failure):
        with contextlib.suppress(Exception):
            self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def enter_page(self):
        """Loads the page and waits until the client has logged in."""
        self.driver.get(self.site.origin + "/")
        self.wait(lambda: self.driver.execute_script("return window.connected === true"), "to log in")

    def wait(self, ready, what):
        def tried(_):
            with contextlib.suppress(Exception):
                return ready()
        try:
            return WebDriverWait(self.driver, WAIT_SECONDS, 0.1).until(tried)
        except Exception:
            raise TimeoutError("Converse did not come %s; the page shows: %s; errors: %s" % (
                what, self.driver.find_element(By.TAG_NAME, "body").text[:400],
                [entry["message"] for entry in self.driver.get_log("browser")][-6:])) from None

    def open_chat(self, jid):
        """Opens a conversation, as a click on a contact does."""
        self.driver.execute_async_script(
            "const done = arguments[1]; watched.api.chats.open(arguments[0], {}, true).then(() => done())", jid)
        self.box(jid)

    def enter_room(self, room, nick):
        self.driver.execute_async_script(
            "const done = arguments[2]; watched.api.rooms.open(arguments[0], {nick: arguments[1]}, true).then(() => done())",
            room, nick)
        self.wait(lambda: self.driver.execute_script(
            "return watched.chatboxes.get(arguments[0]).session.get('connection_status')", room) == 5, "into the room")
        self.box(room)

    def box(self, jid):
        return self.wait(lambda: self.driver.find_element(
            By.CSS_SELECTOR, "converse-chat[jid='%s'], converse-muc[jid='%s']" % (jid, jid)), "to a conversation with " + jid)

    def say(self, jid, text):
        """Types into the conversation's field and presses Enter."""
        field = self.wait(lambda: self.box(jid).find_element(By.CSS_SELECTOR, "textarea.chat-textarea"), "to a field")
        self.wait(lambda: field.is_displayed() and field.is_enabled(), "to a field that takes text")
        field.send_keys(text, Keys.ENTER)

    def shown(self, jid):
        """The texts of the messages that the conversation shows, in order."""
        found = self.box(jid).find_elements(By.CSS_SELECTOR, ".chat-msg__text")
        return [text.text.strip() for text in found]

    def hear(self, jid, texts):
        """Waits until the conversation shows just these messages, in this order."""
        self.wait(lambda: self.shown(jid) == texts, "to show %r" % (texts,))

    def occupants(self, room):
        """The nicknames that the client knows in a room, sorted."""
        return self.driver.execute_script(
            "return watched.chatboxes.get(arguments[0]).occupants.filter(one => one.get('show') !== 'offline')"
            ".map(one => one.get('nick')).sort()", room)

    def forget(self):
        """The browser loses all that it has stored, as on another machine."""
        self.driver.execute_async_script(
            "const done = arguments[0]; localStorage.clear(); sessionStorage.clear();"
            "indexedDB.databases().then(all => Promise.all(all.map(one => indexedDB.deleteDatabase(one.name)))).then(() => done())")


