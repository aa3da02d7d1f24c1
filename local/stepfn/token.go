package stepfn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"unicode/utf8"
)

// pending is a task that waits for its token.
type pending struct {
	token string
	done  chan outcome // takes exactly one, from whoever removed the token from the engine
	beat  chan struct{}
}

const tokenBytes = 32 // 16 random, 16 of a MAC over them

// issue makes a token that nobody can guess. The MAC tells a token of ours whose task is closed (TaskTimedOut) from one
// that never was, or that an earlier process gave out (TaskDoesNotExist), with nothing to remember.
func (e *Engine) issue() *pending {
	raw := make([]byte, tokenBytes)
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := io.ReadFull(e.o.Tokens, raw[:16]); err != nil {
		panic("stepfn: no randomness: " + err.Error()) // crypto/rand never fails
	}
	copy(raw[16:], e.mac(raw[:16]))
	p := &pending{token: base64.RawURLEncoding.EncodeToString(raw), done: make(chan outcome, 1), beat: make(chan struct{}, 1)}
	e.tokens[p.token] = p
	return p
}

func (e *Engine) mac(b []byte) []byte {
	h := hmac.New(sha256.New, e.key[:])
	h.Write(b)
	return h.Sum(nil)[:16]
}

// revoke closes the token; false when it was used or closed before.
func (e *Engine) revoke(p *pending) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, open := e.tokens[p.token]
	delete(e.tokens, p.token)
	return open
}

// take finds the task of a token; with use it can be found only once.
func (e *Engine) take(token string, use bool) (*pending, error) {
	if token == "" || len(token) > maxTokenLength {
		return nil, ErrInvalidToken
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != tokenBytes {
		return nil, ErrInvalidToken
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.tokens[token]
	switch {
	case p != nil:
		if use {
			delete(e.tokens, token)
		}
		return p, nil
	case hmac.Equal(raw[16:], e.mac(raw[:16])):
		return nil, ErrTaskTimedOut
	}
	return nil, ErrTaskDoesNotExist
}

// SendTaskSuccess ends the task that waits for token with output, a JSON text. When it returns nil the task has
// succeeded, even if its time-out strikes in the same moment. Errors: ErrInvalidOutput, ErrInvalidToken,
// ErrTaskDoesNotExist, ErrTaskTimedOut (closed: timed out, answered before, or its execution has ended), or the context's.
func (e *Engine) SendTaskSuccess(ctx context.Context, token, output string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v, err := decode([]byte(output))
	if err != nil || len(output) > e.o.MaxPayload || !utf8.ValidString(output) {
		return ErrInvalidOutput
	}
	p, err := e.take(token, true)
	if err != nil {
		return err
	}
	p.done <- outcome{result: v}
	return nil
}

// SendTaskFailure ends the task that waits for token with an error that its Retry and Catch see. Errors as for
// SendTaskSuccess.
func (e *Engine) SendTaskFailure(ctx context.Context, token, errorName, cause string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := e.take(token, true)
	if err != nil {
		return err
	}
	p.done <- outcome{err: &stateError{name: errorName, cause: cause}}
	return nil
}

// SendTaskHeartbeat restarts the HeartbeatSeconds of the task that waits for token. Errors as for SendTaskSuccess.
func (e *Engine) SendTaskHeartbeat(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := e.take(token, false)
	if err != nil {
		return err
	}
	select {
	case p.beat <- struct{}{}:
	default: // one is on its way already
	}
	return nil
}
