"""apps.notifications.tasks: mails, each once for its key, as files in the outbox. (With Django: EmailMessage(...).send() in deliver.)"""
import re
import time
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import store
from client import shop
from trail import note

LEASE = 180  # seconds that a task has for one mail before another one may try
YIELD = 5  # seconds that a task waits that finds another one sending its mail


@shop.task(name="apps.notifications.tasks.send_mail", bind=True, soft_time_limit=120,
           autoretry_for=store.AWAY, max_retries=12, retry_backoff=1, retry_backoff_max=600)
def send_mail(self, key, to, subject, body):
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,79}", key):  # it names a file
        raise ValueError(f'mail key "{key}": want up to 80 of a-z, 0-9 and -')
    if "@" not in parseaddr(to)[1]:
        raise ValueError(f'mail {key}: address "{to}" is none')
    if re.search(r"[\r\n]", subject):  # it would add headers of its own
        raise ValueError(f'mail {key}: subject "{subject}" has more than one line')
    claimed, proof = claim(key, self.request.id)
    if not claimed:
        raise self.retry(countdown=YIELD)
    if not proof:
        proof = deliver(key, to, subject, body)
        with store.change() as db:
            if db.execute("UPDATE mails SET sent = ?, proof = ? WHERE key = ? AND sent IS NULL", (int(time.time()), proof, key)).rowcount:
                note(db, "mail.send", f"mail/{key}", proof)
    return {"proof": proof}


def claim(key, task):
    """Takes the right to send a mail. A task that was cut short gets its claim again, another one when the lease is over."""
    now = time.time_ns() // 1_000_000
    with store.change() as db:
        mine = db.execute("""INSERT INTO mails (key, task, claimed) VALUES (?, ?, ?)
            ON CONFLICT (key) DO UPDATE SET task = excluded.task, claimed = excluded.claimed
            WHERE mails.sent IS NULL AND (mails.task = excluded.task OR mails.claimed <= ?)""", (key, task, now + LEASE * 1000, now)).rowcount
        if mine:
            return True, ""
        sent, proof = db.execute("SELECT sent, proof FROM mails WHERE key = ?", (key,)).fetchone()
        return sent is not None, proof


def deliver(key, to, subject, body):
    mail = EmailMessage()
    mail["Date"], mail["From"], mail["To"], mail["Subject"] = formatdate(), "The Shop <shop@example.com>", to, subject
    mail["Message-ID"] = f"<{key}@example.com>"
    mail.set_content(body)
    name = f"{key}.eml"
    try:
        with store.whole(store.place("SHOP_MAIL_URL", "outbox") / name) as file:
            file.write(mail.as_bytes())
    except FileExistsError:
        pass  # an attempt that died before it could say so
    return name
