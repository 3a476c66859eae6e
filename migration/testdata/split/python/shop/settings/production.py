from .base import *  # noqa

CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = config("CELERY_CONCURRENCY", cast=int)
CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
CELERY_TASK_ANNOTATIONS = {"mail.send": {"rate_limit": "100/m"}}
