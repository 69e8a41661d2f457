"""Lua: trees, strings and tables that grow, all through realloc.

The interpreter has no allocator of its own: each object is one realloc(0, n)
and one free, so this is close to a replay of its allocations.
"""
from . import Command

NEEDS = {"lua5.4": "lua5.4"}

SCRIPT = '''
local n = tonumber(arg[1])
local state = 12345
local function rnd(k)
	state = (state * 1103515245 + 12345) % 2147483648
	return (state // 65536) % k + 1
end
local function tree(d)
	if d == 0 then return {} end
	return {tree(d - 1), tree(d - 1), v = rnd(1000)}
end
local function sum(t)
	local s = t.v or 1
	for i = 1, #t do s = s + sum(t[i]) end
	return s
end
local total, forest = 0, {}
for i = 1, n do
	forest[rnd(3)] = tree(13)
	total = total + sum(forest[next(forest)])
end
local words, count = {}, {}
for i = 1, n * 4000 do
	local w = {}
	for j = 1, rnd(8) do w[j] = string.char(96 + rnd(26)) end
	words[i] = table.concat(w)
end
for _, w in ipairs(words) do count[w] = (count[w] or 0) + 1 end
local keys = {}
for k in pairs(count) do keys[#keys + 1] = k end
table.sort(keys)
local live, size = {}, 0
for i = 1, n * 15000 do
	live[rnd(12000)] = string.rep(keys[rnd(#keys)], rnd(12))
end
for i = 1, 12000 do size = size + #(live[i] or "") end
local text = table.concat(keys, " ")
print(total, #keys, size, #text:gsub("[aeiou]+", "<%0>"))
'''


def prepare(here, small):
    (here / "work.lua").write_text(SCRIPT)


def command(here, small):
    return Command(["lua5.4", str(here / "work.lua"), "6" if small else "18"])
