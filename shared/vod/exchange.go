package vod

import (
	"io"
	"net/http"
)

// maxAnswer bounds what is read of an answer: a page of 100 videos has some 300 KB.
const maxAnswer = 4 << 20

// reply is what came back of one request.
type reply struct {
	err    error // no answer, or one that could not be read to its end
	status int   // 0: no answer
	header http.Header
	body   []byte
	long   bool
}

// exchange sends a request once and reads the answer.
func exchange(client *http.Client, q *http.Request) reply {
	resp, err := client.Do(q)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, header: resp.Header}
	r.body, r.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	r.long = len(r.body) > maxAnswer
	return r
}
