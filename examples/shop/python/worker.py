#!/usr/bin/env python3
"""Runs some of the shop's tasks in Python, in place of the Go worker of their queues: same names, same arguments, same results.

    export CELERY_BROKER_URL=amqp://guest:guest@localhost// CELERY_RESULT_BACKEND=redis://localhost/0 SHOP_DIR=.
    ./worker.py                                 # the queues notifications and low_priority; ./worker.py -Q default for others

send_mail writes into the folder outbox/ of SHOP_DIR, once for each key, as the Go task does without an SMTP server. The audit trail of
the shop is Go's: what Python does is not in it.
"""
import os
import pathlib
import sys
from email.message import EmailMessage
from email.utils import formatdate

import client

shop = client.shop
shop.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@shop.task(name="apps.notifications.tasks.send_mail", autoretry_for=(OSError,), max_retries=12, retry_backoff=True, retry_backoff_max=600)
def send_mail(key, to, subject, body):
    mail = EmailMessage()
    mail["Date"], mail["From"], mail["To"], mail["Subject"] = formatdate(), "The Shop <shop@example.com>", to, subject
    mail["Message-ID"] = f"<{key}@example.com>"
    mail.set_content(body)
    outbox = pathlib.Path(os.environ.get("SHOP_DIR", "."), "outbox")
    outbox.mkdir(exist_ok=True)
    half = outbox / f".{key}-{os.getpid()}"
    half.write_bytes(mail.as_bytes())
    try:
        os.link(half, outbox / f"{key}.eml")  # where a rename would replace what is there
    except FileExistsError:
        pass
    half.unlink()
    return {"proof": f"{key}.eml"}


@shop.task(name="apps.orders.tasks.rate_limited_task", rate_limit="100/m")
def rate_limited_task():
    return formatdate()


@shop.task(name="apps.orders.tasks.resilient_task", bind=True, autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=True)
def resilient_task(self, failing=0):
    if self.request.retries < failing:
        raise ConnectionError("the service is away")
    return self.request.retries + 1


if __name__ == "__main__":
    shop.worker_main(["worker", "-Q", "notifications,low_priority", "-P", "solo", "-n", "python@%h", "-l", "info",
                      "--without-gossip", "--without-mingle", *sys.argv[1:]])
