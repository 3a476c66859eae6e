// Package secret is the contract between Umbel and what keeps secrets: settings name a secret where they would hold it, and it is
// read when it is needed.
//
//	secretsmanager://shop/broker#url                                    AWS Secrets Manager: name, and key of a JSON secret
//	arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf:url::   the same as ECS writes it
//	ssm:///shop/redis-url                                               AWS Systems Manager Parameter Store
//	file:/run/secrets/broker#url                                        a file, read anew each time
//
// What a store has told is kept in memory until somebody says that it was refused: a password that is rotated is then read anew,
// and nothing is restarted. No error and no log holds a value.
//
// Files need no driver. Package secret/aws reads from AWS; package standard imports it.
package secret
