from datetime import timedelta

from celery.schedules import crontab
from decouple import config
from kombu import Exchange, Queue

CELERY_BROKER_URL = config("CELERY_BROKER_URL", default="amqp://guest:guest@localhost:5672//")
CELERY_RESULT_BACKEND = config("RESULT_URL", default="redis://localhost:6379/1")
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TIMEZONE = "UTC"
CELERY_RESULT_EXPIRES = timedelta(hours=6)
CELERY_TASK_QUEUES = (
    Queue("default", Exchange("default"), routing_key="default"),
    Queue("orders", Exchange("orders", type="topic"), routing_key="order.#", queue_arguments={"x-max-priority": 10}),
    Queue("mail", queue_arguments={"x-dead-letter-exchange": "dlx", "x-dead-letter-routing-key": "mail.dead"}),
)


def route(name, args, kwargs, options, task=None, **kw):
    return {"queue": "mail"} if name.startswith("mail.") else None


CELERY_TASK_ROUTES = (
    route,
    {"shop.orders.jobs.*": {"queue": "orders", "routing_key": "order.new"}},
)
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "shop.orders.jobs.sweep", "schedule": timedelta(minutes=10), "options": {"expires": 300}},
    "digest": {"task": "mail.digest", "schedule": crontab(hour=6, minute=0), "args": ("daily",)},
    "odd": {"task": "shop.orders.jobs.sweep", "schedule": make_schedule()},
}
