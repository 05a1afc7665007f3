"""Programs that have production's URL in their source, one for each library of Python."""

import asyncio
import os
import sys
import urllib.error
import urllib.request

import aiohttp
import httpx
import requests
import urllib3

URL = "https://data.solarnetwork.net/solaruser/api/v1/sec/instr/view?id=1"


def by_requests() -> int:
    return requests.get(URL, timeout=20).status_code


def by_httpx() -> int:
    return httpx.get(URL).status_code


def by_aiohttp() -> int:
    async def ask() -> int:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(URL) as answer:
            return answer.status

    return asyncio.run(ask())


def by_urllib3() -> int:
    return urllib3.ProxyManager(os.environ["HTTPS_PROXY"]).request("GET", URL).status


def by_urllib() -> int:
    try:
        urllib.request.urlopen(URL)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


for each in (by_requests, by_httpx, by_aiohttp, by_urllib3, by_urllib):
    sys.stdout.write(f"{each.__name__} {each()}\n")
