# Use AWS Secrets Manager
import boto3
import json

def get_secret(secret_name):
    client = boto3.client('secretsmanager')
    response = client.get_secret_value(SecretId=secret_name)
    return json.loads(response['SecretString'])

# Load broker credentials
credentials = get_secret('myapp/celery/broker')
CELERY_BROKER_URL = credentials['BROKER_URL']
