package tos

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sign makes the authorization for one object (tos_sign): "<key>:<sig>:<b64 deadline>:<b64 object>", the third part
// being "deadline: <unix>" (ref. B.1, step 2). It is good for every request about that object until the deadline.
func (s *Server) Sign(name string, deadline time.Time) string {
	d := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "deadline: %d", deadline.Unix()))
	o := base64.StdEncoding.EncodeToString([]byte(name))
	return strings.Join([]string{s.st.Key, s.mac(d, o), d, o}, ":")
}

// mac: how the real one is made nobody outside knows, nor needs to. Key and secret never change after New.
func (s *Server) mac(deadline, name string) string {
	h := hmac.New(sha1.New, []byte(s.st.Secret))
	fmt.Fprintf(h, "%s:%s:%s", s.st.Key, deadline, name)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// authorize checks the Authorization header for the object in the path.
func (s *Server) authorize(r *http.Request, name string) result {
	sent := r.Header.Values("Authorization")
	if len(sent) != 1 {
		return fail(badSign, "the header Authorization is required, once")
	}
	parts := strings.Split(sent[0], ":")
	if len(parts) != 4 || parts[0] != s.st.Key || !hmac.Equal([]byte(parts[1]), []byte(s.mac(parts[2], parts[3]))) {
		return fail(badSign, "")
	}
	signed, _ := base64.StdEncoding.DecodeString(parts[3]) // signed, so it is what we encoded
	if string(signed) != name {
		return fail(badSign, "signature is for another object")
	}
	deadline, _ := base64.StdEncoding.DecodeString(parts[2])
	unix, _ := strconv.ParseInt(strings.TrimPrefix(string(deadline), "deadline: "), 10, 64)
	if s.o.Now().Unix() >= unix || s.st.Expired[name] {
		return fail(deadSign, "")
	}
	return result{}
}
