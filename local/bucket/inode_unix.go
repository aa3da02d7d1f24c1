//go:build unix

package bucket

import (
	"os"
	"syscall"
)

// inode gives the number of f, or without f that of what is at path. It is false when there is nothing.
func inode(f *os.File, path string) (uint64, bool) {
	var fi os.FileInfo
	var err error
	switch {
	case f != nil:
		fi, err = f.Stat()
	case path != "":
		fi, err = os.Stat(path)
	default:
		return 0, false
	}
	if err != nil {
		return 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Ino), true
}
