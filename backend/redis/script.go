package redis

import (
	"crypto/sha1"
	"encoding/hex"
)

// storeScript writes and publishes a document unless a SUCCESS is there.
//
//	KEYS[1]  key, and name of the channel
//	ARGV[1]  seconds to live, 0 for ever
//	ARGV[2]  document
//
// Documents of Celery begin with their status, so that a look at the first bytes is enough, however large they are. Any
// other is decoded: JSON of another writer, msgpack, or YAML, whose keys are sorted and stand at the beginning of lines.
const storeScript = `local head = redis.call('GETRANGE', KEYS[1], 0, 31)
if head ~= '' then
  local success = false
  if string.sub(head, 1, 12) == '{"status": "' then
    success = string.sub(head, 13, 20) == 'SUCCESS"'
  else
    local text, first, ok, doc = redis.call('GET', KEYS[1]), string.byte(head), false, nil
    if first == 123 then
      ok, doc = pcall(cjson.decode, text)
    elseif (first >= 128 and first <= 143) or first == 222 or first == 223 then
      ok, doc = pcall(cmsgpack.unpack, text)
    else
      success = string.find('\n' .. text, '\nstatus: SUCCESS\n', 1, true) ~= nil
    end
    if ok and type(doc) == 'table' then success = doc['status'] == 'SUCCESS' end
  end
  if success then return 0 end
end
if ARGV[1] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SETEX', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1`

var scriptSHA = func() string {
	sum := sha1.Sum([]byte(storeScript))
	return hex.EncodeToString(sum[:])
}()
