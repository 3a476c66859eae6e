import os

from celery import Celery
from celery.signals import task_failure, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.production")

celery = Celery("shop")
celery.config_from_object("django.conf:settings", namespace="CELERY")
celery.autodiscover_tasks(related_name="jobs")


@task_failure.connect
def tell(sender=None, task_id=None, exception=None, **kwargs):
    print(sender, task_id, exception)


@worker_process_init.connect(weak=False)
def connect_pool(**_):
    pass
