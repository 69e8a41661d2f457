# A script of 10^5 rows, then what queries make of them.
needs="sqlite3 awk"

prepare()
{
	awk 'BEGIN {
		srand(3)
		print "create table t (id integer primary key, name text, n int, x real, b blob);"
		print "begin;"
		for (i = 1; i <= 100000; i++)
			printf "insert into t values (%d, %cname %d%c, %d, %.3f, zeroblob(%d));\n",
				i, 39, int(rand() * 30000), 39, int(rand() * 1000), rand(), rand() * 60
		print "commit;"
		print "create index byname on t (name, n);"
		print "create index byn on t (n);"
		print "select count(*), sum(n), round(sum(x), 3) from t;"
		print "select name, count(*) c, sum(n) from t group by name order by c desc, name limit 50;"
		print "select a.n, count(*) from t a join t b on a.name = b.name and a.id < b.id group by a.n order by 1;"
		print "select id, n, sum(n) over (partition by n order by id rows 10 preceding) from t where id % 997 = 0;"
		print "select length(group_concat(name)), json_array_length(json_group_array(json_object(name, n))) from t;"
		print "delete from t where n % 3 = 0; vacuum; pragma integrity_check;"
		print "update t set b = randomblob(200) where id % 10 = 1;"
		print "with recursive f(a, b) as (values (0, 1) union all select b, a + b from f limit 60) select max(a) from f;"
		print ".dump"
	}' >"$shared/script"
}

job()
{
	sqlite3 -bail file.db <"$shared/script" | grep -v "X'" | sha256sum &&
		[ "${PIPESTATUS[0]}" -eq 0 ] &&
		sqlite3 :memory: ".read $shared/script" | grep -v "X'" | wc &&
		sqlite3 file.db "select count(*), total(length(b)) from t"
}
