# redis-server under redis-benchmark; what a script stored is the same, also
# after a snapshot by a forked child and a restart from it.
needs="redis-server redis-benchmark redis-cli"

cli() { redis-cli -s "$PWD/socket" "$@"; }

start()
{
	serve redis-server --port 0 --unixsocket "$PWD/socket" --save "" \
		--dir "$PWD" --dbfilename dump.rdb --enable-debug-command yes \
		--io-threads 2
	until_ok cli ping
	is_preloaded "$server"
}

fill='for i = 1, 6000 do
	redis.call("set", "s" .. i, string.rep("x", i % 700))
	redis.call("rpush", "l" .. i % 100, i, i * 2)
	redis.call("hset", "h" .. i % 50, "f" .. i, i)
	redis.call("zadd", "z" .. i % 20, i, "m" .. i)
	redis.call("sadd", "i" .. i % 30, i)
	if i % 3 == 0 then redis.call("del", "s" .. i - 1) end
	if i % 7 == 0 then redis.call("append", "s" .. i, string.rep("y", 2000)) end
end'

job()
{
	start
	redis-benchmark -s "$PWD/socket" -q -n 4000 -c 20 -P 8 -d 300 -r 5000 \
		-t set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset >/dev/null ||
		fail "redis-benchmark"
	cli flushall async
	cli eval "$fill" 0
	cli dbsize
	cli debug digest
	cli bgsave >/dev/null
	redis-benchmark -s "$PWD/socket" -q -n 2000 -c 8 -d 3000 \
		-t get,ping >/dev/null || fail "redis-benchmark while saving"
	saved() { cli info persistence | tr -d '\r' | grep -qx rdb_bgsave_in_progress:0; }
	until_ok saved
	cli info persistence | tr -d '\r' | grep rdb_last_bgsave_status
	cli memory purge
	cli debug reload
	cli debug digest
	end_server
	start
	cli debug digest
	end_server
}
