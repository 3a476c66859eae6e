from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal, Optional
from uuid import UUID

from celery import Task, shared_task
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)


class Audited(Task):
    """Writes down what it did."""

    def on_success(self, retval, task_id, args, kwargs):
        logger.info("done %s", task_id)


@shared_task(base=Audited, name="reports.build", time_limit=600, soft_time_limit=540, rate_limit="10/m")
def build(
    report_id: UUID,
    *,
    since: Optional[dt.datetime] = None,
    until: dt.date | None = None,
    formats: list[str] = ("csv",),
    limit: int = 1000,
    price: Decimal = Decimal("0.10"),
    mode: Literal["full", "short"] = "full",
    filters: dict[str, Any] | None = None,
    weights: dict[str, float] = {},
    dry_run: bool = False,
) -> dict[str, int]:
    """Build a report and store it.

    It takes minutes.
    """
    return {"rows": 0}


@shared_task(bind=True, acks_late=True, reject_on_worker_lost=True, autoretry_for=(ConnectionError, TimeoutError), retry_kwargs={"max_retries": 5, "countdown": 30})
def send(self, report_id: UUID, *recipients: str, **options) -> None:
    """Send a report to some people."""


@shared_task(ignore_result=True, expires=3600, priority=3, queue="widgets")
def nightly():
    build.delay(None)


class Importer:
    @shared_task(name="reports.import_rows", serializer="pickle")
    def import_rows(rows: "list[Row]", user: "auth.User", strict=True):
        pass
