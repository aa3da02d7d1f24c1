// Package bucket is the S3 of one machine: a real S3 gateway (versitygw) on loopback over a folder, whose "object
// created" becomes the event that S3 sends to EventBridge.
//
// It exists so that any S3 client can drop a video in, and so that the one-machine stack reads it back with the very
// client that it uses on AWS. It must not know what the events are for, nor anything of publications or platforms.
//
// Two facts of versitygw v1.8.0 shape its API. One gateway may run per process. And its storage uses paths relative to
// the working directory: Open moves the process to the folder of the objects and Close moves it back, so everything
// else in the process has to use absolute paths.
package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/debuglogger"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Limits of the gateway. Connections are cheap here; requests are bounded so that a flood is answered with SlowDown.
const (
	maxConnections = 4096
	maxRequests    = 1024
	maxParts       = 10_000  // the limit of S3 itself
	maxCopy        = 5 << 30 // the limit of S3 itself
	portAttempts   = 5
	startTimeout   = 30 * time.Second
)

// Options say where the bucket lives and who hears of new objects.
type Options struct {
	Dir       string   // data folder; objects, meta and versions are made below it, readable by the owner only
	Addr      string   // loopback host:port; port 0 picks a free one
	AccessKey string   // the only account; it may do everything
	SecretKey string   // required, never logged
	Region    string   // default us-east-1
	Account   string   // twelve digits, shown in events; default 000000000000
	Buckets   []string // made at the start if they are not there
	// Versioning turns on object versions for Buckets. The gateway then prints one line to standard output as it starts.
	Versioning bool

	// OnEvent hears of every object, at least once while the process lives. An error makes it be called again, a few
	// times, with growing pauses. It runs concurrently (up to eight at once) and its context ends with Close. nil
	// drops the events.
	OnEvent func(context.Context, Event) error

	Log  *slog.Logger     // nil discards
	Now  func() time.Time // nil is time.Now
	Rand io.Reader        // event ids; nil is crypto/rand
	// Backoff is the pause before the second, third... call of OnEvent; nil is 0.1, 0.5, 2 and 5 seconds. Its length
	// bounds the number of retries.
	Backoff []time.Duration
}

// Gateway is a running S3 gateway. It is safe for concurrent use.
type Gateway struct {
	opts     Options
	endpoint string
	store    *notifier
	previous string // working directory before Open
	cancel   context.CancelFunc
	done     chan struct{}
	runErr   error // valid once done is closed
	closing  sync.Once
}

// Open starts the gateway, makes the buckets, and returns when it answers. It changes the working directory of the
// process until Close (see the package comment). A second Open before the first was closed is an error.
func Open(ctx context.Context, o Options) (*Gateway, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	previous, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("bucket: working directory: %w", err)
	}
	g, err := start(ctx, o)
	if err != nil {
		return nil, errors.Join(err, os.Chdir(previous))
	}
	g.previous = previous
	if err := g.makeBuckets(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.store.enable()
	return g, nil
}

// Endpoint is the base URL for S3 clients; they must use path-style addressing.
func (g *Gateway) Endpoint() string { return g.endpoint }

// Region is what clients sign for.
func (g *Gateway) Region() string { return g.opts.Region }

// Close stops deliveries and the gateway, waits for both, and restores the working directory. Events that were not
// taken yet are not lost for good: Replay at the next start gives them again. Closing twice is harmless.
func (g *Gateway) Close() error {
	var err error
	g.closing.Do(func() {
		g.store.stop()
		g.cancel()
		<-g.done
		g.store.wait()
		err = g.runErr
		if g.previous != "" {
			err = errors.Join(err, os.Chdir(g.previous))
		}
	})
	return err
}

// Done is closed when the gateway has stopped, by Close or by a failure of its own.
func (g *Gateway) Done() <-chan struct{} { return g.done }

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" || o.AccessKey == "" || o.SecretKey == "" {
		return o, errors.New("bucket: Dir, AccessKey and SecretKey are required")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("bucket: folder: %w", err)
	}
	o.Dir = dir
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return o, fmt.Errorf("bucket: address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return o, fmt.Errorf("bucket: address %s is not a loopback address", o.Addr)
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Backoff == nil {
		o.Backoff = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 5 * time.Second}
	}
	return o, nil
}

// start runs the gateway. The gateway binds by itself and does not tell its port, so a free one is picked first; when
// somebody else is quicker, another is tried.
func start(ctx context.Context, o Options) (*Gateway, error) {
	_, port, _ := net.SplitHostPort(o.Addr)
	attempts := 1
	if port == "0" {
		attempts = portAttempts
	}
	var err error
	for range attempts {
		addr := o.Addr
		if port == "0" {
			if addr, err = freeAddr(ctx, o.Addr); err != nil {
				return nil, err
			}
		}
		var g *Gateway
		if g, err = startOn(ctx, o, addr); err == nil {
			return g, nil
		}
	}
	return nil, err
}

func startOn(ctx context.Context, o Options, addr string) (*Gateway, error) {
	be, m, err := openStorage(o)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g := &Gateway{opts: o, endpoint: "http://" + addr, cancel: cancel, done: make(chan struct{})}
	g.store = newNotifier(run, be, m, o)
	listening := make(chan struct{})
	go func() {
		defer close(g.done)
		g.runErr = embedgw.RunVersityGW(run, g.store, &embedgw.Config{
			RootUserAccess: o.AccessKey, RootUserSecret: o.SecretKey, Region: o.Region, Ports: []string{addr},
			// Given so that the gateway does not announce on standard output that it falls back to this very service.
			IAMService:     auth.NewIAMServiceSingle(auth.Account{Access: o.AccessKey, Secret: o.SecretKey, Role: auth.RoleAdmin}),
			MaxConnections: maxConnections, MaxRequests: maxRequests,
			AdminMaxConnections: maxConnections, AdminMaxRequests: maxRequests,
			MultipartMaxParts: maxParts, LogLevel: debuglogger.LevelSilent,
			Quiet: true, KeepAlive: true, DisableACLs: true,
			S3Options: []s3api.Option{s3api.WithOnListen(sync.OnceFunc(func() { close(listening) }))},
		})
	}()
	select {
	case <-listening:
		return g, nil
	case <-g.done:
		cancel()
		return nil, fmt.Errorf("bucket: gateway on %s: %w", addr, orStopped(g.runErr))
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(startTimeout):
		err = errors.New("it did not listen in time")
	}
	cancel()
	<-g.done
	return nil, fmt.Errorf("bucket: gateway on %s: %w", addr, err)
}

func orStopped(err error) error {
	if err != nil {
		return err
	}
	return errors.New("it stopped")
}

func freeAddr(ctx context.Context, addr string) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("bucket: no free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// openStorage prepares the three folders and the storage over them. Metadata is kept in files beside the objects and
// not in extended attributes: those are missing on some file systems and lost by plain copies. The versions folder and
// the one for metadata have to lie outside that of the objects.
func openStorage(o Options) (*posix.Posix, *metadata, error) {
	objects, metadata, versions := filepath.Join(o.Dir, "objects"), filepath.Join(o.Dir, "meta"), filepath.Join(o.Dir, "versions")
	for _, d := range []string{objects, metadata, versions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, nil, fmt.Errorf("bucket: folder: %w", err)
		}
	}
	m, err := newMetadata(metadata)
	if err != nil {
		return nil, nil, err
	}
	po := posix.PosixOpts{CopyObjectThreshold: maxCopy}
	po.SetNewDirPerm(0o700)
	po.SetNewFilePerm(0o600)
	if o.Versioning {
		po.VersioningDir = versions
	}
	if err := m.repair(objects, o.Buckets); err != nil {
		return nil, nil, err
	}
	be, err := posix.New(objects, m, po)
	if err != nil {
		return nil, nil, fmt.Errorf("bucket: storage: %w", err)
	}
	return be, m, nil
}

// Dir is the absolute data folder.
func (g *Gateway) Dir() string { return g.opts.Dir }
