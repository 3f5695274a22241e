"""An SMTP server on 127.0.0.1 that prints what it is given.

    smtp_sink.py plain|starttls|tls [CERTIFICATE KEY] [USER PASSWORD]

First it prints its port, then a line of JSON for each mail: the envelope, and the mail as Python's email package
reads it. It ends when its input does. Recipients and texts tell it how to go wrong: see Handler.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def people(header):
    # Python sees blanks between the parts of a long name that is not in ASCII.
    return [["".join(one.display_name.split()), one.addr_spec] for one in header.addresses] if header else []


def read(server, envelope, session):
    raw = envelope.original_content
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    return {
        "encrypted": server.transport.get_extra_info("sslcontext") is not None,
        "login": session.authenticated,
        "helo": session.host_name,
        "sender": envelope.mail_from,
        "recipients": envelope.rcpt_tos,
        "names": [name for name, _ in mail.items()],
        "headers": {name: str(value) for name, value in mail.items()},
        "from": people(mail["From"]),
        "to": people(mail["To"]),
        "cc": people(mail["Cc"]),
        "date": mail["Date"].datetime.timestamp(),
        "kind": mail.get_content_type(),
        "charset": mail.get_content_charset(),
        "text": mail.get_content(),
        "longest": max(len(line) for line in raw.split(b"\r\n")),
        "ascii": raw.isascii(),
        "bare": raw.replace(b"\r\n", b"").count(b"\n"),
        "defects": [repr(one) for one in mail.defects]
        + [repr(one) for value in mail.values() for one in getattr(value, "defects", [])],
    }


class Handler:
    """refused@, later@: refused for good, or for now. In a text GREYLIST, SPAM, LOST, SILENT."""

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name"
        if address.startswith("later@"):
            return "450 4.2.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.original_content
        if b"GREYLIST" in text:
            return "451 4.7.1 come back later"
        if b"SPAM" in text:
            return "554 5.7.1 no"
        print(json.dumps(read(server, envelope, session)), flush=True)
        if b"LOST" in text:
            server.transport.abort()
        if b"SILENT" in text:
            await asyncio.sleep(60)
        return "250 OK"


async def main(mode, rest):
    context = None
    if mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(rest[0], rest[1])
        rest = rest[2:]
    options = {"hostname": "sink.example.org"}
    if mode == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if rest:
        wanted = [one.encode() for one in rest]

        def login(server, session, envelope, mechanism, data):
            # Not handled: the library sends the answer.
            return AuthResult(success=[data.login, data.password] == wanted, handled=False)

        options |= {"authenticator": login, "auth_required": True, "auth_require_tls": mode == "starttls"}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), **options), "127.0.0.1", 0, ssl=context if mode == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
