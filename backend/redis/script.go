package redis

import (
	"crypto/sha1"
	"encoding/hex"
)

// storeScript writes and publishes a document unless a SUCCESS is there, and returns how many heard it, or -1.
//
//	KEYS[1]  key, and name of the channel
//	ARGV[1]  seconds to live, 0 for ever
//	ARGV[2]  document
//
// Most tasks are written once: then nothing is there, and the first SET has done it. Documents of Celery begin with their
// status, so that a look at the first bytes is enough, however large they are. Any other is decoded: JSON of another
// writer, msgpack, or YAML, whose keys stand at the beginning of lines.
const storeScript = `local key, ttl, doc = KEYS[1], ARGV[1], ARGV[2]
local fresh
if ttl == '0' then
  fresh = redis.call('SET', key, doc, 'NX')
else
  fresh = redis.call('SET', key, doc, 'EX', ttl, 'NX')
end
if not fresh then
  local success = false
  local head = redis.call('GETRANGE', key, 0, 31)
  if string.sub(head, 1, 12) == '{"status": "' then
    success = string.sub(head, 13, 20) == 'SUCCESS"'
  elseif head ~= '' then
    local text, first, ok, old = redis.call('GET', key), string.byte(head), false, nil
    if first == 123 then
      ok, old = pcall(cjson.decode, text)
    elseif (first >= 128 and first <= 143) or first == 222 or first == 223 then
      ok, old = pcall(cmsgpack.unpack, text)
    else
      success = string.find('\n' .. text, '\nstatus: SUCCESS\n', 1, true) ~= nil
    end
    if ok and type(old) == 'table' then success = old['status'] == 'SUCCESS' end
  end
  if success then return -1 end
  if ttl == '0' then
    redis.call('SET', key, doc)
  else
    redis.call('SETEX', key, ttl, doc)
  end
end
return redis.call('PUBLISH', key, doc)`

var scriptSHA = func() string {
	sum := sha1.Sum([]byte(storeScript))
	return hex.EncodeToString(sum[:])
}()
