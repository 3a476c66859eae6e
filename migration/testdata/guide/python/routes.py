# config/celery.py

# Define queue routing
app.conf.task_routes = {
    # Critical tasks - highest priority
    'apps.orders.tasks.process_order': {
        'queue': 'high_priority',
        'routing_key': 'high.priority',
        'priority': 10,
    },

    # Standard tasks - normal priority
    'apps.orders.tasks.send_order_confirmation': {
        'queue': 'default',
        'routing_key': 'default',
        'priority': 5,
    },

    # Report generation - dedicated queue
    'apps.reports.tasks.generate_report': {
        'queue': 'reports',
        'routing_key': 'reports.generate',
        'priority': 5,
    },

    # Background tasks - lowest priority
    'apps.reports.tasks.cleanup_expired_reports': {
        'queue': 'maintenance',
        'routing_key': 'maintenance.cleanup',
        'priority': 1,
    },
}

# Define queue priorities
app.conf.task_queue_max_priority = 10
app.conf.task_default_priority = 5
