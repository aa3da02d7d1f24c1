package bucket

import (
	"net/http"
	"path"
	"strings"

	"github.com/versity/versitygw/s3err"
)

// isPath tells whether a key is a path that a file system keeps as it is. S3 takes "a//b" and "a/../b" as they are;
// the storage would put both elsewhere than their event says, so they are refused.
func isPath(key string) bool {
	return key != "" && !strings.HasPrefix(key, "/") && path.Clean(key) == strings.TrimSuffix(key, "/") && key != "." && key != ".." && !strings.HasPrefix(key, "../")
}

func badKey() error {
	return s3err.APIError{Code: "InvalidObjectName", Description: "This bucket is a folder of this machine: the parts of a key must not be empty, . or ..", HTTPStatusCode: http.StatusBadRequest}
}
