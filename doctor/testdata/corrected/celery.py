import os
import ssl

from celery import Celery
from kombu import Exchange, Queue

app = Celery('myapp')
app.config_from_object('django.conf:settings', namespace='CELERY')



app.conf.update(
    broker_url=os.environ['CELERY_BROKER_URL'],
    broker_use_ssl={
        'cert_reqs': ssl.CERT_REQUIRED,
        'ca_certs': '/etc/ssl/certs/ca-certificates.crt',
    },
    broker_transport_options={'confirm_publish': True},
    broker_connection_timeout=30,
    broker_connection_retry=True,
    broker_connection_max_retries=0,
    broker_connection_retry_on_startup=True,
    broker_heartbeat=30,
    broker_pool_limit=2,

    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_acks_on_failure_or_timeout=False,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=5 * 60,
    task_time_limit=6 * 60,
    worker_max_tasks_per_child=1000,

    result_backend=os.environ['CELERY_RESULT_BACKEND'],
    result_expires=7 * 24 * 60 * 60,

    task_serializer='json',
    result_serializer='json',
    accept_content=['json'],
    timezone='UTC',
    enable_utc=True,

    task_default_queue='default',
    task_queues=[
        Queue('high_priority', Exchange('high_priority', type='topic'), routing_key='high.priority', queue_arguments={
            'x-queue-type': 'quorum', 'x-delivery-limit': 3,
            'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'high_priority.dlq',
        }),
        Queue('default', queue_arguments={
            'x-queue-type': 'quorum', 'x-delivery-limit': 3,
            'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'default.dlq',
        }),
        Queue('reports', queue_arguments={
            'x-queue-type': 'quorum', 'x-delivery-limit': 3,
            'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'reports.dlq',
        }),
        Queue('maintenance', queue_arguments={
            'x-queue-type': 'quorum', 'x-delivery-limit': 3,
            'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'maintenance.dlq',
        }),
        Queue('high_priority.dlq', Exchange('dlx', type='direct'), routing_key='high_priority.dlq'),
        Queue('default.dlq', Exchange('dlx', type='direct'), routing_key='default.dlq'),
        Queue('reports.dlq', Exchange('dlx', type='direct'), routing_key='reports.dlq'),
        Queue('maintenance.dlq', Exchange('dlx', type='direct'), routing_key='maintenance.dlq'),
    ],
    task_routes={
        'apps.orders.tasks.process_order': {
            'queue': 'high_priority', 'exchange': 'high_priority', 'exchange_type': 'topic', 'routing_key': 'high.priority',
        },
        'apps.orders.tasks.send_order_confirmation': {'queue': 'default'},
        'apps.reports.tasks.generate_report': {'queue': 'reports'},
        'apps.reports.tasks.cleanup_expired_reports': {'queue': 'maintenance'},
    },
    beat_schedule={
        'cleanup': {'task': 'apps.reports.tasks.cleanup_expired_reports', 'schedule': 24 * 60 * 60},
    },
)
