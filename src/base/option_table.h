/*
 * The table of options: QR_OPTION(id, name, kind, words, initial, low, high,
 * meaning, cost).  Included several times; see base/option.h.
 */
QR_OPTION(RSEQ, "rseq", QR_OPTION_WORD, "auto|cid|cpu|off", 0, 0, 3,
	  "per-CPU caches: restartable sequences indexed by concurrency id "
	  "(cid) or CPU number (cpu), or locked (off)",
	  "off: about 20 ns more per call")
QR_OPTION(REPORT, "report", QR_OPTION_WORD, "off|text|json|metrics", 0, 0, 3,
	  "write all reports to stderr when the process exits", "none")
QR_OPTION(RESERVE, "reserve", QR_OPTION_SIZE, 0, 0, 0, UINT64_C(1) << 46,
	  "bytes of address space to reserve; 0: twice the memory, at least "
	  "64g", "address space only")
QR_OPTION(DIRTY, "dirty", QR_OPTION_SIZE, 0, UINT64_C(32) << 20, 0,
	  UINT64_C(1) << 46,
	  "free memory kept ready per zone, beside a quarter of what is live",
	  "resident memory against page faults of 1 to 3 us per 4k")
QR_OPTION(NODES, "nodes", QR_OPTION_WORD, "auto|one", 0, 0, 1,
	  "NUMA nodes: as the kernel says, or all memory as one", "none")
QR_OPTION(NUMA, "numa", QR_OPTION_WORD, "local|interleave|interleave=|bind=",
	  0, 0, 3,
	  "whose memory a request gets: that of its CPU's node, of all nodes "
	  "or of those named in turn, or of those named only (bind=0+2-3)",
	  "interleave: memory farther away, and a lock more per page")
QR_OPTION(BACKGROUND, "background", QR_OPTION_WORD, "auto|on|off", 0, 0, 2,
	  "a thread that gives unused memory back: from 16m of heap on (64m in "
	  "a process of one thread), from the start, or never",
	  "on: a thread in every process; off: free memory stays while the "
	  "program sleeps")
QR_OPTION(THP, "thp", QR_OPTION_WORD, "auto|always|never", 0, 0, 2,
	  "huge pages: for parts of a heap of 96m and more that are dense "
	  "(auto), for all memory as far as the system allows, or for none",
	  "always: memory, in small and in sparse heaps; never: faults and "
	  "misses of the TLB")
QR_OPTION(LIMIT, "limit", QR_OPTION_SIZE, 0, 0, 0, UINT64_C(1) << 46,
	  "memory that the process may have by us; 0: no limit. Beyond it "
	  "caches are dropped and the program's shrinkers called",
	  "near the limit: more page faults")
QR_OPTION(LIMIT_HARD, "limit_hard", QR_OPTION_BOOL, 0, 0, 0, 1,
	  "beyond the limit, if nothing helps: on: ENOMEM; off: memory all the "
	  "same", "none")
QR_OPTION(OOM, "oom", QR_OPTION_WORD, "quiet|report", 0, 0, 1,
	  "the first time that memory is refused, write to stderr who holds "
	  "what", "none")
