celery -A config worker -Q high_priority --concurrency=8 --loglevel=info --max-tasks-per-child=100 \
    --without-heartbeat --without-gossip --without-mingle -n high_priority_worker@%h
celery -A config worker -Q default --concurrency=4 --loglevel=info \
    --without-heartbeat --without-gossip --without-mingle -n default_worker@%h
celery -A config worker -Q reports --concurrency=2 --loglevel=info --max-tasks-per-child=50 \
    --without-heartbeat --without-gossip --without-mingle -n reports_worker@%h
celery -A config worker -Q maintenance --concurrency=1 --loglevel=info \
    --without-heartbeat --without-gossip --without-mingle -n maintenance_worker@%h

celery -A config beat
celery -A config --broker="$CELERY_BROKER_URL" flower --port=5555 --auth_provider=flower.views.auth.GithubLoginHandler --auth='.*@example\.com'
celery -A config purge -Q maintenance
