@shared_task(rate_limit='100/m')  # 100 tasks per minute
def rate_limited_task():
    pass

# Or per-queue rate limits
CELERY_TASK_DEFAULT_RATE_LIMIT = '1000/m'
