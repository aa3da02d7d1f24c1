// Command server runs the fake OSS and the fake STS on loopback for clients that are not written in Go. It prints one line
// of JSON that says where they are, and ends when its standard input does. It is for conformance tests only.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

const bucket, role = "vodlift-in", "acs:ram::1000:role/uploader"

// place is what the client has to know.
type place struct {
	OSS       string  `json:"oss"`
	STS       string  `json:"sts"`
	Bucket    string  `json:"bucket"`
	Region    string  `json:"region"`
	ID        string  `json:"id"`
	Secret    string  `json:"secret"`
	Role      string  `json:"role"`
	Temporary keyPair `json:"temporary"`
	Expired   keyPair `json:"expired"`
	ReadOnly  keyPair `json:"readOnly"`
}

type keyPair struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Token  string `json:"token"`
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	keys, err := ram.NewStore(ram.StoreOptions{})
	if err != nil {
		return err
	}
	p := place{Bucket: bucket, Region: "oss-cn-shanghai", ID: "LTAIconformance", Secret: "conformance-secret", Role: role}
	if _, err := keys.AddKey("conformance", p.ID, p.Secret); err != nil {
		return err
	}
	for _, k := range []struct {
		to      *keyPair
		actions []string
	}{{&p.Temporary, []string{"oss:*"}}, {&p.Expired, []string{"oss:*"}}, {&p.ReadOnly, []string{"oss:GetObject"}}} {
		c, err := keys.Issue("conformance", time.Hour, ram.ObjectPolicy(bucket, "*", k.actions...))
		if err != nil {
			return err
		}
		*k.to = keyPair{c.AccessKeyID, c.Secret, c.Token}
	}
	if err := keys.Expire(p.Expired.ID); err != nil {
		return err
	}
	store, err := oss.New(oss.Options{Credentials: keys, Buckets: []oss.Bucket{{Name: bucket}}})
	if err != nil {
		return err
	}
	defer store.Close()
	service, err := sts.New(sts.Options{Keys: keys, Roles: []sts.Role{{Arn: role}}})
	if err != nil {
		return err
	}
	defer service.Close()
	for _, l := range []struct {
		to *string
		h  http.Handler
	}{{&p.OSS, store}, {&p.STS, service}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: l.h, ReadHeaderTimeout: 10 * time.Second}
		defer server.Close()
		go server.Serve(listener) //nolint:errcheck // ends with Close
		*l.to = "http://" + listener.Addr().String()
	}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
