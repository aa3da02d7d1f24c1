//go:build !unix

package bucket

import "os"

// inode is always false where files have no number: attributes then are not staged.
func inode(*os.File, string) (uint64, bool) { return 0, false }
