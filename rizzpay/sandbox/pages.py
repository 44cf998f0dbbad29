"""The sandbox's HTML: the page of a bank or wallet, and the front page. Pure; works without JS."""

from collections.abc import Mapping
from html import escape

from rizzpay.core.money import Money
from rizzpay.sandbox import magic
from rizzpay.sandbox.magic import Script
from rizzpay.sandbox.records import Attempt, Charge

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b2430; background: #f2f4f7; margin: 0 }
main { max-width: 44rem; margin: 3rem auto; background: #fff; padding: 2rem; border-radius: 12px;
       box-shadow: 0 1px 4px #0002 }
.pay { max-width: 24rem; text-align: center }
h1 { font-size: 1.25rem; margin-top: 0 } h2 { font-size: 1.05rem; margin-top: 2rem }
.amount { font-size: 2.25rem; font-weight: 600; margin: .5rem 0 }
.note { color: #5b6675; font-size: .9rem }
form { display: inline } code { background: #f2f4f7; padding: .1rem .3rem; border-radius: 4px }
button { font: inherit; padding: .7rem 1.6rem; border-radius: 8px; border: 1px solid #9aa5b5;
         background: #fff; color: #1b2430; cursor: pointer; margin: .5rem .25rem }
button.yes { background: #14643c; border-color: #14643c; color: #fff }
button:focus-visible { outline: 3px solid #2f6fed; outline-offset: 2px }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #e3e7ec }
"""
SYMBOLS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}
TITLES = {
    "card": "3-D Secure",
    "intent": "UPI app",
    "qr": "UPI app",
    "collect": "UPI app",
    "netbanking": "Net banking",
    "wallet": "Wallet",
    "bank_transfer": "Bank transfer",
}


def customer(charge: Charge, attempt: Attempt, method: Mapping[str, str]) -> str:
    """Return the page on which a customer approves or declines."""
    kind = method.get("flow", method["type"])
    title = " ".join([TITLES[kind], method.get("bank", method.get("wallet", ""))]).strip()
    if attempt.status == "action_required":
        buttons = "".join(
            f'<form method="post" action="/customer/{escape(charge.reference)}/{act}">'
            f'<button class="{style}">{label}</button></form>'
            for act, style, label in (
                ("approve", "yes", "Approve"),
                ("decline", "no", "Decline"),
            )
        )
    else:
        buttons = f"<p>This payment is <strong>{_state(attempt)}</strong>.</p>"
    body = (
        f'<main class="pay"><h1>{escape(title)} · sandbox</h1>'
        f'<p class="amount">{_amount(charge)}</p>'
        f"<p>{escape(charge.description)}</p>{buttons}"
        '<p class="note">No real money moves here.</p></main>'
    )
    return _page("Approve a payment", body)


def front(public_url: str) -> str:
    """Return the front page: what each magic value does."""
    tables = (
        ("Card tokens", _rows(magic.TOKENS)),
        ("VPAs of UPI collect", _rows(magic.VPAS)),
        ("Last two digits of a payment's amount", _rows(_ending(magic.CHARGE_AMOUNTS))),
        ("Last two digits of a refund's amount", _rows(_ending(magic.REFUND_AMOUNTS))),
    )
    body = "".join(
        f"<h2>{title}</h2><table><thead><tr><th>value</th><th>what happens</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        for title, rows in tables
    )
    intro = (
        "<main><h1>RizzPay sandbox acquirer</h1>"
        "<p>It behaves like an acquirer, and moves no money. A magic card token or VPA decides "
        "first, then the last two digits of the amount in minor units; everything else is "
        "approved.</p>"
        f"<p>Webhook inbox: <code>{escape(public_url)}/inbox/NAME</code></p>"
    )
    return _page("RizzPay sandbox acquirer", f"{intro}{body}</main>")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _amount(charge: Charge) -> str:
    money = Money(charge.asked, charge.currency)
    return f"{SYMBOLS.get(charge.currency, charge.currency + ' ')}{money.decimal()}"


def _state(attempt: Attempt) -> str:
    code = f" ({attempt.decline_code})" if attempt.decline_code else ""
    return escape(attempt.status + code)


def _rows(table: Mapping[str, Script]) -> str:
    return "".join(
        f"<tr><td><code>{escape(value)}</code></td><td>{escape(script.text)}</td></tr>"
        for value, script in table.items()
    )


def _ending(table: Mapping[int, Script]) -> dict[str, Script]:
    return {f"…{digits:02}": script for digits, script in table.items()}
