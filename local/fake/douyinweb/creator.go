package douyinweb

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// readBody reads a whole request body, so that nothing of a call is done before all of it is there. Of a body that is
// too large only the beginning counts, which makes it malformed.
func readBody(r *http.Request) (io.ReadCloser, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	return io.NopCloser(bytes.NewReader(b)), err
}

// uploadAuth gives the upload credential (ref. B.1, step 1).
func (s *Server) uploadAuth(_ *http.Request, who *account) result {
	return ok(object{"ak": who.AK, "auth": s.auth(who, s.o.Now().Add(s.o.Limits.AuthLife))})
}

// userInfo is the login check (ref. B.1, helper reads).
func (s *Server) userInfo(_ *http.Request, who *account) result {
	return ok(object{"user": object{"uid": who.UID, "nickname": who.Name}})
}

// csrf gives a token in the header x-ware-csrf-token: comma separated, the second field (ref. B.1, CSRF). It is bound to
// the cookie csrf_session_id and the host. Who does not ask as the page does gets the answer without the header.
func (s *Server) csrf(r *http.Request, who *account) result {
	version := r.Header.Get("X-Secsdk-Csrf-Version")
	c, err := r.Cookie("csrf_session_id")
	if r.Header.Get("X-Secsdk-Csrf-Request") != "1" || (version != "1.2.22" && version != "1.2.7") || err != nil || c.Value != who.CSRFSession {
		return ok(object{})
	}
	token := s.csrfToken(who.CSRFSession, r.Host, s.o.Now().Add(s.o.Limits.CSRFLife))
	return result{data: object{}, header: http.Header{
		"X-Ware-Csrf-Token": {fmt.Sprintf("0,%s,%d,success,%s", token, s.o.Limits.CSRFLife.Milliseconds(), who.CSRFSession)}}}
}

// csrfToken carries its own end, so that nothing has to be remembered.
func (s *Server) csrfToken(session, host string, end time.Time) string {
	stamp := fmt.Sprintf("%016x", end.UnixMilli())
	return stamp + hex.EncodeToString(s.mac(sha256.New, "csrf", stamp, session, host))
}

// checkCSRF applies Readings.CSRF to a call that changes something.
func (s *Server) checkCSRF(r *http.Request, who *account) result {
	var good bool
	switch s.o.Readings.CSRF {
	case "none":
		good = true
	case "cookie":
		good = repeatsCookie(r, who)
	case "secsdk":
		good = s.tokenValid(r, who)
	case "either":
		good = repeatsCookie(r, who) || s.tokenValid(r, who)
	}
	switch {
	case good:
		return result{}
	case s.o.Readings.BadCSRF == "code":
		return fail(badToken, "")
	}
	return page(http.StatusForbidden)
}

// repeatsCookie: the header csrf_token repeats the cookie of that name, and it is the one that the site gave.
func repeatsCookie(r *http.Request, who *account) bool {
	c, err := r.Cookie("csrf_token")
	sent := r.Header.Values("Csrf_token")
	return err == nil && len(sent) == 1 && sent[0] == c.Value && c.Value == who.CSRF
}

func (s *Server) tokenValid(r *http.Request, who *account) bool {
	token := r.Header.Get("X-Secsdk-Csrf-Token")
	c, err := r.Cookie("csrf_session_id")
	if err != nil || c.Value != who.CSRFSession || len(token) < 16 {
		return false
	}
	ms, err := strconv.ParseInt(token[:16], 16, 64)
	end := time.UnixMilli(ms)
	return err == nil && s.o.Now().Before(end) && hmac.Equal([]byte(token), []byte(s.csrfToken(who.CSRFSession, r.Host, end)))
}
