# A Go program that calls C's malloc through cgo.
needs=gcc
wants=go

prepare()
{
	cat >"$shared/main.go" <<'G'
package main

/*
#include <stdlib.h>
#include <string.h>
*/
import "C"
import (
	"fmt"
	"sync"
	"unsafe"
)

func main() {
	var wait sync.WaitGroup
	sums := make([]int, 8)
	for g := 0; g < 8; g++ {
		wait.Add(1)
		go func(g int) {
			defer wait.Done()
			for i := 0; i < 20000; i++ {
				s := C.CString(fmt.Sprintf("goroutine %d %d", g, i))
				sums[g] += int(C.strlen(s))
				C.free(unsafe.Pointer(s))
			}
		}(g)
	}
	wait.Wait()
	fmt.Println(sums)
}
G
	cd "$shared" && HOME=$shared GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=1 \
		go build -o program main.go >&2 && cd - >/dev/null
}

job() { "$shared/program"; }
