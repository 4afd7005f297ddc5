"""`wsconform client` of `conformance/`, every case of it, with the example `autobahn_client` as the client."""

import asyncio
import os
import re

from cases import case, main, same

DRIVER = os.path.join(os.environ["EXAMPLES"], "autobahn_client")


def conforms(name, at_least, server_options, *options):
    @case(f"autobahn_client: {name}", 150)
    async def _():
        pipe = asyncio.subprocess.PIPE
        command = [os.environ["WSCONFORM"], "client", "0", "--colour", "never", *server_options]
        server = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        driver = None
        try:
            listening = (await server.stderr.readline()).decode()
            url, cases = re.fullmatch(r"listening on (ws://\S+), (\d+) cases\n", listening).groups()
            same(int(cases) >= at_least, True, f"at least {at_least} cases: {cases}")
            driver = await asyncio.create_subprocess_exec(DRIVER, url, *options, stdout=pipe, stderr=pipe)
            (report, _), (_, errors) = await asyncio.gather(server.communicate(), driver.communicate())
            same((driver.returncode, errors.decode()), (0, ""), "exit status, and what it complains of")
            same(server.returncode, 0, f"exit status of wsconform; {report.decode()[-500:]}")
        finally:
            for child in (server, driver):
                if child and child.returncode is None:
                    child.kill()


conforms("all cases", 2000, [])
conforms("--deflate: all cases of RFC 7692", 300, ["--include", "7692"], "--deflate")

main("conformance")
