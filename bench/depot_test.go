package bench

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vodlift/vodlift/shared/transfer/crc64x"
)

// depot is both ends of a copy, as a process of its own: it gives out films of any size by ranged GET, and takes parts
// by PUT, of which it keeps sizes and CRC64s only. It speaks as much of S3 as an S3 client needs to copy one object into
// another, and checks no signature. Every byte that arrives is counted, also of a request that breaks off.
//
//	GET, HEAD /films/SIZE/NAME     a film
//	PUT /sink/SESSION?partNumber=N a part
//	GET /state?session=SESSION     what came, as state
//	POST /rate?bps=N               how fast one part may come; 0 = as it comes
type depot struct {
	mu       sync.Mutex
	rate     int64
	in       int64
	sessions map[string]*delivery
}

// delivery is what came for one session.
type delivery struct {
	Parts map[int]delivered `json:"parts"`
	In    int64             `json:"in"` // bytes, repeats and broken requests included
	Done  bool              `json:"done"`
}

type delivered struct {
	Size  int64  `json:"size"`
	CRC64 uint64 `json:"crc64,string"`
	Times int    `json:"times"`
}

func newDepot() *depot { return &depot{sessions: map[string]*delivery{}} }

func (d *depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case first == "films" && rest == "": // does the bucket exist?
	case first == "films":
		serveFilm(w, r, rest)
	case first == "state":
		d.mu.Lock()
		defer d.mu.Unlock()
		_ = json.NewEncoder(w).Encode(d.session(r.FormValue("session")))
	case first == "rate":
		d.mu.Lock()
		defer d.mu.Unlock()
		d.rate, _ = strconv.ParseInt(r.FormValue("bps"), 10, 64)
	case first == "sink":
		d.sink(w, r, rest)
	default:
		http.NotFound(w, r)
	}
}

func serveFilm(w http.ResponseWriter, r *http.Request, rest string) {
	size, err := strconv.ParseInt(path.Dir(rest), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"film-%d"`, size))
	w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(w, r, "", time.Unix(1_780_000_000, 0), io.NewSectionReader(film{size}, 0, size))
}

// session needs d.mu.
func (d *depot) session(id string) *delivery {
	s := d.sessions[id]
	if s == nil {
		s = &delivery{Parts: map[int]delivered{}}
		d.sessions[id] = s
	}
	return s
}

// sink is the receiving end; q has S3's own parameters.
func (d *depot) sink(w http.ResponseWriter, r *http.Request, id string) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		d.put(w, r, id, max(1, number(q.Get("partNumber"))))
	case r.Method == http.MethodPost && q.Has("uploads"):
		answer(w, struct {
			XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
			Bucket, Key, UploadId string
		}{Bucket: "sink", Key: id, UploadId: "upload"})
	case r.Method == http.MethodPost:
		_, _ = io.Copy(io.Discard, r.Body)
		d.mu.Lock()
		d.session(id).Done = true
		d.mu.Unlock()
		answer(w, struct {
			XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
			Bucket, Key, ETag string
		}{Bucket: "sink", Key: id, ETag: `"whole-1"`})
	case r.Method == http.MethodHead:
		d.head(w, id)
	default: // a listing: nothing is there
		answer(w, struct {
			XMLName xml.Name `xml:"ListBucketResult"`
		}{})
	}
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v)
}

func (d *depot) head(w http.ResponseWriter, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.session(id)
	if !s.Done {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var size int64
	for _, p := range s.Parts {
		size += p.Size
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("ETag", `"whole-1"`)
}

func (d *depot) put(w http.ResponseWriter, r *http.Request, id string, n int) {
	d.mu.Lock()
	rate := d.rate
	d.mu.Unlock()
	var size int64
	var sum uint64
	buf := make([]byte, 64<<10)
	began := time.Now()
	for {
		k, err := r.Body.Read(buf)
		sum = crc64x.Update(sum, buf[:k])
		size += int64(k)
		d.mu.Lock()
		d.in += int64(k)
		d.session(id).In += int64(k)
		d.mu.Unlock()
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(size) / float64(rate) * float64(time.Second)))))
		}
		if err == io.EOF && size == r.ContentLength {
			break
		}
		if err != nil {
			http.Error(w, "the body broke off", http.StatusBadRequest)
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.session(id)
	s.Parts[n] = delivered{Size: size, CRC64: sum, Times: s.Parts[n].Times + 1}
	w.Header().Set("X-Crc64", strconv.FormatUint(sum, 10))
	w.Header().Set("ETag", fmt.Sprintf(`"%016x"`, sum))
}

// content gives size and sum of what a delivery's parts make together.
func (s *delivery) content() (size int64, sum uint64, gap bool) {
	for n := 1; n <= len(s.Parts); n++ {
		p, ok := s.Parts[n]
		if !ok {
			return size, sum, true
		}
		sum = crc64x.Combine(sum, p.CRC64, p.Size)
		size += p.Size
	}
	return size, sum, false
}
