"""SQLite with a database in memory: load, index, join, group, JSON.

Many short statements over small rows.  Page cache and sorter take blocks of
a few KiB, the rest is small and short-lived.
"""
from . import Command

NEEDS = {"sqlite3": "sqlite3"}

SQL = """
create table person(id integer primary key, name text, town int, score int);
create table event(id integer primary key, who int, kind text, body text);
with recursive n(i) as (select 1 union all select i + 1 from n limit {n})
insert into person select i, hex(i * 2654435761 % 4294967296),
       i * 7919 % 257, i * 104729 % 1000 from n;
with recursive n(i) as (select 1 union all select i + 1 from n limit {n} * 3)
insert into event select i, i * 48271 % {n} + 1, 'k' || (i * 31 % 17),
       json_object('a', i % 97, 'b', json_array(i % 7, i % 11, 'x' || i))
       from n;
create index person_name on person(name);
create index event_who on event(who, kind);
select town, count(*), sum(score), group_concat(substr(name, 1, 3), '')
       from person group by town order by 3 desc limit 40;
select p.town, e.kind, count(*), sum(json_extract(e.body, '$.a'))
       from person p join event e on e.who = p.id
       group by 1, 2 order by 3 desc, 1, 2 limit 200;
select count(*), sum(length(x)) from (select upper(replace(body, 'x', 'yz'))
       || kind as x from event where kind in ('k1', 'k5', 'k9') order by x);
update person set name = name || '-' || town where id % 3 = 0;
delete from event where who % 5 = 2;
select count(distinct substr(name, 2, 4)), max(name) from person;
select key, count(*), sum(value) from event, json_each(event.body, '$.b')
       where type = 'integer' group by key;
"""


def prepare(here, small):
    n = 9000 if small else 30000
    (here / "work.sql").write_text(SQL.format(n=n))


def command(here, small):
    return Command(["sqlite3", "-batch", ":memory:"],
                   stdin=here / "work.sql")
