from celery import shared_task

MAIL = "mail.send"


@shared_task(name=MAIL, bind=True, autoretry_for=(OSError,), retry_backoff=5, retry_backoff_max=600, retry_jitter=True, throws=(ValueError,))
def send(self, to: list[str], subject: str, body: str = "", headers: dict[str, str] | None = None):
    """Send a mail."""


@shared_task(name="mail.digest")
async def digest(period: str):
    ...
