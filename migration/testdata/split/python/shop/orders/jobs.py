from celery import shared_task

from shop.celery import celery


@celery.task(acks_late=True, max_retries=None, default_retry_delay=60)
def charge(order_id: int, amount: float, currency: str = "EUR", note: str | None = None) -> bool:
    """Charge an order once."""
    return True


@celery.task(name="shop.orders.jobs.sweep", ignore_result=True, options={"x": 1})
def sweep():
    pass


@celery.task
def charge_many(*order_ids, **kw):
    pass


charge_later = celery.task(lambda order_id: charge.apply_async((order_id,), countdown=60), name="shop.orders.jobs.charge_later")
