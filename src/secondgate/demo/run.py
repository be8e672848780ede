"""Runs the demo's parts together, until Ctrl-C or until the walk is over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientError, ClientSession, web

from secondgate.app import serve
from secondgate.config import load
from secondgate.demo.sample import make_sample, read_outbox
from secondgate.demo.site import APP_HOST, MAIL_HOST, PORTAL_HOST, DemoSite, make_site, traefik_command
from secondgate.demo.walk import WalkFailed, walk
from secondgate.errors import StartRefused
from secondgate.logs import configure_logs

START_WAIT_S = 30.0


Say = Callable[[str], None]


def run_demo(*, folder: Path, port: int, check: bool, say: Say) -> bool:
    """Run the demo until Ctrl-C, or walk it; False when the walk failed. `say` is told each line.

    Raises StartRefused.
    """
    site = make_site(folder, port)
    return asyncio.run(_run(site, say, check=check))


async def _run(site: DemoSite, say: Say, *, check: bool) -> bool:
    settings = load(str(site.config), {})
    configure_logs(settings.log_level)
    started = asyncio.Event()
    async with _sample(site), _traefik(site):
        serving = asyncio.ensure_future(serve(settings, started=started.set))
        guide = asyncio.ensure_future(_check(site, say, started) if check else _guide(site, say, started))
        await asyncio.wait((serving, guide), return_when=asyncio.FIRST_COMPLETED)
        passed = True
        if guide.done():
            passed = guide.result()
            os.kill(os.getpid(), signal.SIGTERM)
        guide.cancel()
        await serving
        return passed


async def _check(site: DemoSite, say: Say, started: asyncio.Event) -> bool:
    await started.wait()
    try:
        await walk(site, lambda text: say(f"ok    {text}"))
    except (WalkFailed, ClientError, TimeoutError) as error:
        say(f"failed: {error}")
        return False
    say("passed: the whole way through Traefik works")
    return True


async def _guide(site: DemoSite, say: Say, started: asyncio.Event) -> bool:
    """Say what to open, and show each PIN as it is sent."""
    await started.wait()
    for line in (
        "",
        "Secondgate's demo is running.",
        "",
        f"  1. Open    {site.url(APP_HOST)}",
        "  2. Log in with any e-mail address, as you@example.com.",
        f"  3. The PIN is shown here, and at {site.url(MAIL_HOST)}",
        "  4. Set up an authenticator app, a security key or biometrics.",
        "",
        f"  Your MFA devices:              {site.url(PORTAL_HOST, '/account/devices')}",
        f"  Asks for a key or biometrics:  {site.url(APP_HOST, '/vault')}",
        "",
        f"Everything is stored in {site.folder}. Ctrl-C stops the demo.",
        "",
    ):
        say(line)
    shown = len(read_outbox(site.outbox))
    while True:
        mails = read_outbox(site.outbox)
        for mail in reversed(mails[: len(mails) - shown]):
            say(f"PIN for {mail.to}: {mail.pin}")
        shown = len(mails)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _sample(site: DemoSite) -> AsyncIterator[None]:
    runner = web.AppRunner(make_sample(site), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", site.sample_port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _traefik(site: DemoSite) -> AsyncIterator[None]:
    log = site.folder / "traefik.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *traefik_command(site),
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(site.folder)},
            start_new_session=True,
        )
        try:
            await _wait_for_routes(site, process, log)
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _wait_for_routes(site: DemoSite, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until Traefik passes requests on: it listens before it has read its routes."""
    async with asyncio.timeout(START_WAIT_S), ClientSession() as session:
        while True:
            if process.returncode is not None:
                raise StartRefused(f"Traefik stopped at once; see {log}")
            with suppress(ClientError):
                async with session.get(f"http://127.0.0.1:{site.port}/", headers={"Host": MAIL_HOST}) as answer:
                    if answer.status == HTTPStatus.OK:
                        return
            await asyncio.sleep(0.1)
