# Configure DLQ for failed tasks
CELERY_TASK_ROUTES = {
    'apps.orders.tasks.process_order': {
        'queue': 'high_priority',
        'routing_key': 'high.priority',
        'exchange': 'high_priority',
        'exchange_type': 'topic',
        'dead_letter_exchange': 'dlx',
        'dead_letter_routing_key': 'high_priority.dlq',
    },
}
