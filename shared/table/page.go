package table

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// pageSum binds a position to the query it belongs to, and detects a token that was cut or altered.
func pageSum(parts ...string) []byte {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)[:16]
}

func queryParts(q Query) []string {
	return []string{"vodlift query 1", q.PK, q.Prefix, q.From, q.To, strconv.FormatBool(q.Desc)}
}

func indexParts(q IndexQuery) []string {
	return []string{"vodlift index 1", string(q.Index), q.PK, q.From, q.To}
}

func encodePage(query []string, pos ...string) string {
	b := pageSum(append(query, pos...)...)
	for _, p := range pos {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodePage(op, page string, query []string, n int) ([]string, error) {
	refused := bad(op, "page", "must come from the page before of the same query", ErrPageToken)
	if len(page) > 4*MaxKeyBytes*n {
		return nil, refused
	}
	b, err := base64.RawURLEncoding.DecodeString(page)
	if err != nil || len(b) < 16 {
		return nil, refused
	}
	sum, rest := string(b[:16]), b[16:]
	pos := make([]string, n)
	for i := range pos {
		l, w := binary.Uvarint(rest)
		if w <= 0 || l > uint64(len(rest)-w) {
			return nil, refused
		}
		pos[i], rest = string(rest[w:w+int(l)]), rest[w+int(l):]
	}
	if len(rest) != 0 || sum != string(pageSum(append(query, pos...)...)) {
		return nil, refused
	}
	return pos, nil
}

// PageAfter makes the token for the page of q that begins after the item with sort key sk.
func PageAfter(q Query, sk string) string { return encodePage(queryParts(q), sk) }

// PageStart reads q.Page: the sort key after which the page begins, or "" without a token. A token of another query
// (the limit may differ) is refused with ErrPageToken.
func PageStart(op string, q Query) (after string, err error) {
	if q.Page == "" {
		return "", nil
	}
	pos, err := decodePage(op, q.Page, queryParts(q), 1)
	if err != nil {
		return "", err
	}
	return pos[0], nil
}

// IndexPageAfter makes the token for the page of q that begins after h.
func IndexPageAfter(q IndexQuery, h Hit) string {
	return encodePage(indexParts(q), h.Place, h.PK, h.SK)
}

// IndexPageStart reads q.Page like PageStart; ok is false without a token.
func IndexPageStart(op string, q IndexQuery) (after Hit, ok bool, err error) {
	if q.Page == "" {
		return Hit{}, false, nil
	}
	pos, err := decodePage(op, q.Page, indexParts(q), 3)
	if err != nil {
		return Hit{}, false, err
	}
	return Hit{Place: pos[0], Key: Key{PK: pos[1], SK: pos[2]}}, true, nil
}
