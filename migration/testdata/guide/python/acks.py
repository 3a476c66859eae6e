# Late acknowledgment - only ack after task completes
CELERY_TASK_ACKS_LATE = True

# Reject tasks if worker crashes
CELERY_TASK_REJECT_ON_WORKER_LOST = True
