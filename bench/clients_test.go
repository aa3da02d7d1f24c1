package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
)

// appClient is one phone: an address of its own, a connection of its own, one call at a time.
type appClient struct {
	base  string
	http  *http.Client
	note  func(path string, ms float64, err error)
	name  string // with a password; empty: a guest
	token string
	ready []string        // ids with a file, not published yet
	mine  map[string]bool // ids that were published
	n     int
}

const appPassword = "correct horse battery"

func newAppClient(base string, i int, person bool, note func(string, float64, error)) *appClient {
	from := net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}
	dial := net.Dialer{LocalAddr: &from}
	c := &appClient{base: base, note: note, mine: map[string]bool{}, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial.DialContext, MaxIdleConnsPerHost: 1}}}
	if person {
		c.name = fmt.Sprintf("person%04d", i)
	}
	return c
}

// ask makes a call and reads its data.
func (c *appClient) ask(method, path string, v url.Values, data any) error {
	if c.token != "" {
		v.Set("token", c.token)
	}
	var body io.Reader
	target := c.base + path
	if method == http.MethodGet {
		target += "?" + v.Encode()
	} else {
		body = bytes.NewReader([]byte(v.Encode()))
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	began := time.Now()
	err = func() error {
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		var e struct {
			Code    string
			Message *string
			Data    json.RawMessage
		}
		if err := json.Unmarshal(b, &e); err != nil || resp.StatusCode != http.StatusOK || e.Code != "200" {
			why := ""
			if e.Message != nil {
				why = *e.Message
			}
			return fmt.Errorf("%s: status %d, code %q %s", path, resp.StatusCode, e.Code, why)
		}
		if data == nil {
			return nil
		}
		return json.Unmarshal(e.Data, data)
	}()
	c.note(path, float64(time.Since(began).Microseconds())/1000, err)
	return err
}

// begin makes the client somebody.
func (c *appClient) begin() error {
	var who struct{ Token string }
	if c.name == "" {
		if err := c.ask("GET", "/user/randomUser", url.Values{}, &who); err != nil {
			return err
		}
		c.token = who.Token
		return nil
	}
	if err := c.ask("POST", "/user/register", url.Values{"username": {c.name}, "password": {appPassword}}, nil); err != nil {
		return err
	}
	return c.login()
}

func (c *appClient) login() error {
	var who struct{ Token string }
	c.token = ""
	err := c.ask("POST", "/user/login", url.Values{"username": {c.name}, "password": {appPassword}}, &who)
	c.token = who.Token
	return err
}

// step is one call, as people browse: many lists, some uploads, few logins.
func (c *appClient) step() error {
	page := url.Values{"pageIndex": {"1"}, "pageSize": {"10"}}
	switch p := rand.IntN(100); {
	case p < 55:
		return c.ask("GET", "/vod/getRecommendVideoList", page, nil)
	case p < 75:
		return c.ask("GET", "/music/getRecommendMusic", url.Values{"pageNo": {"1"}, "pageSize": {"10"}}, nil)
	case p < 92:
		return c.ask("GET", "/vod/getPersonalVideoList", page, nil)
	case p < 95 && c.name != "":
		return c.login()
	case p < 98 && len(c.ready) > 0:
		return c.publish()
	}
	return c.upload()
}

// publish publishes the oldest of the videos that were sent.
func (c *appClient) publish() error {
	if len(c.ready) == 0 {
		return nil
	}
	id := c.ready[0]
	c.ready = c.ready[1:]
	err := c.ask("POST", "/vod/videoPublish", url.Values{"videoId": {id}, "title": {"a film"}}, nil)
	if err == nil {
		c.mine[id] = true
	}
	return err
}

// upload asks for an upload's credentials and sends a file with them, by the vendor's SDK.
func (c *appClient) upload() error {
	var a struct{ VideoID, UploadAddress, UploadAuth string }
	c.n++
	if err := c.ask("GET", "/vod/getVideoUploadAuth", url.Values{"title": {fmt.Sprint("film ", c.n)}, "fileName": {"film.mp4"}}, &a); err != nil {
		return err
	}
	var at struct{ Endpoint, Bucket, FileName string }
	var with struct{ AccessKeyId, AccessKeySecret, SecurityToken string }
	if err := unpack(a.UploadAddress, &at); err != nil {
		return err
	}
	if err := unpack(a.UploadAuth, &with); err != nil {
		return err
	}
	client, err := oss.New(at.Endpoint, with.AccessKeyId, with.AccessKeySecret, oss.SecurityToken(with.SecurityToken))
	if err != nil {
		return err
	}
	bucket, err := client.Bucket(at.Bucket)
	if err != nil {
		return err
	}
	body := make([]byte, 1000)
	if _, err := (film{int64(len(body))}).ReadAt(body, 0); err != nil {
		return err
	}
	if err := bucket.PutObject(at.FileName, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("the file of %s: %w", a.VideoID, err)
	}
	c.ready = append(c.ready, a.VideoID)
	return nil
}

func unpack(text string, v any) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// check counts what was published and is not in the list, or is there twice.
func (c *appClient) check() (lost, doubled int, err error) {
	seen := map[string]int{}
	for page := 1; ; page++ {
		var list struct {
			VideoList []struct{ VideoID string }
		}
		if err := c.ask("GET", "/vod/getPersonalVideoList", url.Values{"pageIndex": {fmt.Sprint(page)}, "pageSize": {"50"}}, &list); err != nil {
			return 0, 0, err
		}
		for _, v := range list.VideoList {
			seen[v.VideoID]++
		}
		if len(list.VideoList) == 0 {
			break
		}
	}
	for id := range c.mine {
		if seen[id] == 0 {
			lost++
		}
	}
	for _, n := range seen {
		if n > 1 {
			doubled++
		}
	}
	return lost, doubled, nil
}

// beApps is the process of all clients.
func beApps(in []byte) error {
	var o crowdOfApps
	if err := json.Unmarshal(in, &o); err != nil {
		return err
	}
	var mu sync.Mutex
	r := appsReport{Millis: map[string][]float64{}}
	counting := false
	note := func(path string, ms float64, err error) {
		mu.Lock()
		defer mu.Unlock()
		if counting {
			r.Millis[path] = append(r.Millis[path], ms)
		}
		if err != nil {
			r.Failed++
		}
	}
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && len(r.Errors) < 20 {
			r.Errors = append(r.Errors, err.Error())
		}
	}
	clients := make([]*appClient, o.Clients)
	for i := range clients {
		clients[i] = newAppClient(o.Address, i, i < o.People, note)
	}
	each(clients, 8, func(c *appClient) { fail(c.begin()) })
	mu.Lock()
	counting, r.Began = true, time.Now()
	mu.Unlock()
	end := r.Began.Add(time.Duration(o.Seconds) * time.Second)
	each(clients, len(clients), func(c *appClient) {
		pause := func() { time.Sleep(time.Duration(2 * rand.Float64() * float64(o.Think))) }
		for pause(); time.Now().Before(end); pause() {
			fail(c.step())
		}
	})
	mu.Lock()
	counting, r.Ended = false, time.Now()
	mu.Unlock()
	// However short the time was, somebody publishes.
	each(clients[:min(3, len(clients))], 3, func(c *appClient) { fail(errors.Join(c.upload(), c.publish())) })
	each(clients, 8, func(c *appClient) {
		lost, doubled, err := c.check()
		fail(err)
		mu.Lock()
		defer mu.Unlock()
		r.Published += len(c.mine)
		r.Lost += lost
		r.Doubled += doubled
	})
	return json.NewEncoder(os.Stdout).Encode(r)
}

// each does fn for all of them, at most n at a time.
func each(cs []*appClient, n int, fn func(*appClient)) {
	var wg sync.WaitGroup
	places := make(chan struct{}, n)
	for _, c := range cs {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			fn(c)
		})
	}
	wg.Wait()
}
