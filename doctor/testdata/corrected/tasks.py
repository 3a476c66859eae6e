from celery import shared_task


@shared_task(
    autoretry_for=(ConnectionError, TimeoutError),
    retry_kwargs={'max_retries': 3},
    retry_backoff=60,
    retry_backoff_max=600,
    retry_jitter=True,
)
def resilient_task():
    pass
