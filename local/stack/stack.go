package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vodlift/vodlift/local/bucket"
	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	fakeweb "github.com/vodlift/vodlift/local/fake/douyinweb"
	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	fakests "github.com/vodlift/vodlift/local/fake/sts"
	faketos "github.com/vodlift/vodlift/local/fake/tos"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/local/scheduler"
	"github.com/vodlift/vodlift/shared/appserver"
	"github.com/vodlift/vodlift/shared/appserver/users"
	"github.com/vodlift/vodlift/shared/appserver/videos"
	"github.com/vodlift/vodlift/shared/config"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/manifest"
	"github.com/vodlift/vodlift/shared/source/s3source"
	"github.com/vodlift/vodlift/shared/state"
	"github.com/vodlift/vodlift/shared/table/sqlite"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/douyinweb"
	"github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/transport"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/vod"
	"github.com/vodlift/vodlift/shared/wire"
	"github.com/vodlift/vodlift/shared/workflow"
)

// Inbox is the bucket that videos are dropped into.
const Inbox = "inbox"

// DemoAccount is where a video of the demo goes that says nothing else.
const DemoAccount upload.Account = "douyin/main"

// DemoYouku is the demo's account at Youku, which wants tags with every video.
const DemoYouku upload.Account = "youku/main"

// DemoVOD is the demo's account at Alibaba Cloud VOD, a RAM key; the AppServer works with it, too.
const DemoVOD upload.Account = "alivod/main"

// DemoWeb is the demo's account at Douyin's creator web, a session's cookies.
const DemoWeb upload.Account = "douyinweb/main"

// DemoAccounts are all accounts of the demo; its sample goes to each.
func DemoAccounts() []upload.Account {
	return []upload.Account{DemoAccount, DemoYouku, DemoVOD, DemoWeb}
}

// Options of a stack.
type Options struct {
	Dir    string // the data folder
	Kind   Kind
	API    string // address of the API; default 127.0.0.1:0
	Bucket string // address of the bucket; default 127.0.0.1:0
	Public string // address of what platforms and apps call; default 127.0.0.1:0
	Log    *slog.Logger
	// Tune, for tests, changes the engines before they are wired.
	Tune func(*MachineOptions)
	// The Fake fields, for tests, change the demo's fakes before they are made.
	FakeDouyin func(*fakedouyin.Options)
	FakeYouku  func(*fakeyouku.Options)
	FakeVOD    func(*fakevod.Options)
	FakeWeb    func(*fakeweb.Options)
}

// Stack is a running one-machine vodlift.
type Stack struct {
	*Machine
	Running  Running
	Identity Identity
	Bucket   *bucket.Gateway
	Douyin   *fakedouyin.Server // the demo's platforms; nil in a real folder
	Youku    *fakeyouku.Server
	OSS      *fakeoss.Server
	VOD      *fakevod.Server
	STS      *fakests.Server
	Web      *fakeweb.Server // Douyin's creator web
	TOS      *faketos.Server

	folder   *folder
	conns    *http.Transport // to the bucket
	public   net.Listener    // of callbacks and apps; its address is known before the platforms start
	table    *sqlite.DB
	log      *slog.Logger
	progress sync.Map // upload id -> *atomic.Int64, bytes sent since the start
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	failed   chan error
}

// Settings are config.json of a real data folder.
type Settings struct {
	Routes json.RawMessage  `json:"routes"` // as manifest.ParseRoutes reads them
	Douyin douyin.Config    `json:"douyin"`
	Youku  youku.Config     `json:"youku"`
	VOD    alivod.Config    `json:"alivod"`
	Web    douyinweb.Config `json:"douyinweb"`
	Apps   AppSettings      `json:"apps"`
	// Paces and Handover are as the parameters of template.yaml.
	Paces    json.RawMessage `json:"paces"`
	Handover []string        `json:"handover"`
}

// unfinishedAge is after how long a client's unfinished upload to the inbox is given up; as template.yaml's lifecycle rule.
const unfinishedAge = 7 * 24 * time.Hour

// AppSettings are who runs the API of the apps: as the parameters of template.yaml.
type AppSettings struct {
	Account       upload.Account `json:"account"` // alivod/NAME; empty = there is no AppServer
	OpenSignup    bool           `json:"open_signup"`
	DemoEndpoints bool           `json:"demo_endpoints"`
	GuestUpload   bool           `json:"guest_upload"`
	Review        string         `json:"review"` // ai (default) or none
	TemplateGroup string         `json:"transcode_template"`
	RoleARN       string         `json:"sts_role_arn"`
	AllowOrigin   string         `json:"allow_origin"`
}

func (a AppSettings) wire() wire.Apps {
	return wire.Apps{Account: a.Account, Users: users.Settings{OpenSignup: a.OpenSignup}, Settings: appserver.Settings{
		DemoEndpoints: a.DemoEndpoints, GuestUpload: a.GuestUpload, RoleARN: a.RoleARN, AllowOrigin: a.AllowOrigin,
		Videos: videos.Settings{Review: a.Review, TemplateGroup: a.TemplateGroup},
	}}
}

const settingsFile = "config.json"

// Open starts everything and returns when it serves. Unfinished uploads of an earlier process go on at once.
func Open(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := openFolder(o.Dir, o.Kind)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Stack{folder: f, Identity: f.id, log: o.Log, cancel: cancel, failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	// A folder with records has a key already: a new one could not open them.
	_, noTable := os.Stat(f.path("table.db"))
	if s.table, err = sqlite.Open(f.path("table.db"), nil); err != nil {
		return s, err
	}
	keys, err := token.FileKey(f.path("seal.key"), &token.FileKeyOptions{MustExist: noTable == nil})
	if err != nil {
		return s, err
	}
	s.Bucket, err = bucket.Open(ctx, bucket.Options{
		Dir: f.path("bucket"), Addr: orAny(o.Bucket), AccessKey: f.id.BucketAccess, SecretKey: f.id.BucketSecret,
		Region: region, Account: accountID, Buckets: []string{Inbox}, OnEvent: s.dropped, Log: o.Log,
	})
	if err != nil {
		return s, err
	}
	s.Running = Running{PID: os.Getpid(), Kind: o.Kind, Bucket: s.Bucket.Endpoint(), Region: s.Bucket.Region(), Inbox: Inbox}
	if s.public, err = gateway.Listen(run, orAny(o.Public)); err != nil {
		return s, err
	}
	s.Running.Public = "http://" + s.public.Addr().String()
	s.conns = &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
	objects := s.Bucket.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: s.conns} })
	mo := MachineOptions{Inbox: Inbox, Engines: wire.Engines{
		Table: s.table, Cipher: token.NewSealer(keys, nil), Source: s3source.New(objects),
		Lister:  s3source.NewLister(objects),
		Link:    wire.LinkBy(s3.NewPresignClient(objects)),
		Apps:    wire.Apps{Signer: s3source.NewSigner(s3.NewPresignClient(objects), Inbox, nil)},
		Outside: outbox{o.Log}, Log: o.Log, Progress: s.count, Steps: workflow.Settings{Inbox: Inbox},
	}}
	if err := s.kind(run, o, &mo); err != nil {
		return s, err
	}
	mo.Engines.Place, mo.Engines.Loopback = s.place(), o.Kind == Demo
	if o.Tune != nil {
		o.Tune(&mo)
	}
	if s.Machine, err = NewMachine(mo); err != nil {
		return s, err
	}
	if err := s.seed(ctx); err != nil {
		return s, err
	}
	if err := s.serve(run, o); err != nil {
		return s, err
	}
	return s, s.recover(ctx, run)
}

func orAny(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}

// kind sets what differs between the demo and a real folder.
func (s *Stack) kind(run context.Context, o Options, mo *MachineOptions) error {
	e := &mo.Engines
	if o.Kind == Real {
		var set Settings
		err := readJSON(s.folder.path(settingsFile), &set)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(set.Routes) > 0 {
			if e.Routes, err = manifest.ParseRoutes(set.Routes, manifest.KnownTargets()); err != nil {
				return err
			}
		}
		if len(set.Paces) > 0 {
			paces, broken := config.ParsePaces(set.Paces)
			if broken != "" {
				return fault.InvalidField("stack.settings", "paces", broken, "it cannot be read")
			}
			e.Ledger.Paces = wire.Paces(paces)
		}
		e.Steps.Handover = wire.Handovers(set.Handover)
		e.Douyin, e.Youku, e.VOD, e.Web = set.Douyin, set.Youku, set.VOD, set.Web
		e.Apps.Settings, e.Apps.Account, e.Apps.Users = set.Apps.wire().Settings, set.Apps.Account, set.Apps.wire().Users
		e.HTTP = transport.New(transport.Options{Hosts: wire.PlatformHosts("open.douyin.com"), MaxResponse: 4 << 20, Log: o.Log})
		return e.Steps.Check(map[string]time.Duration{"youku": e.Youku.Denies()})
	}
	addr, err := s.fakes(run, o)
	if err != nil {
		return err
	}
	e.Youku = youku.Config{BaseURL: s.Running.Youku, OSSEndpoint: s.Running.OSS, OneRequest: demoPart, WantPart: demoPart, DenyAfter: 15 * time.Second} // settle_at is 30 s away
	s.Running.Douyin = addr
	e.VOD = alivod.Config{Config: vod.Config{BaseURL: s.Running.VOD, STSBaseURL: s.Running.STS}, OSSEndpoint: s.Running.OSS, OneRequest: demoPart, WantPart: demoPart}
	e.Web = douyinweb.Config{CreatorURL: s.Running.Web, VideoURL: s.Running.Web, StorageURL: s.Running.TOS}
	apps := AppSettings{Account: DemoVOD, OpenSignup: true, DemoEndpoints: true, GuestUpload: true, TemplateGroup: demoGroup, RoleARN: DemoRole, AllowOrigin: "*"}.wire()
	apps.Signer, apps.Videos.PollFirst = e.Apps.Signer, 2*time.Second
	e.Apps = apps
	// Small parts and ranges, so that even the sample fans out; waits of seconds.
	e.Douyin = douyin.Config{BaseURL: addr, Generation: douyin.V1, Auth: douyin.Header, OneRequest: demoPart, WantPart: demoPart}
	e.HTTP = transport.New(transport.Options{AllowLoopback: true, MaxResponse: 4 << 20, Log: o.Log})
	e.Routes = manifest.Routes{{Bucket: Inbox, Accounts: DemoAccounts(), Sidecar: manifest.SidecarOptional, Defaults: manifest.Manifest{To: []upload.Account{DemoAccount}}}}
	e.Steps = workflow.Settings{
		Plan: upload.Settings{MinRange: demoPart}, Inbox: Inbox,
		Looks: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, PollFirst: time.Second, PollMost: 8 * time.Second,
		SettleRest: 20 * time.Second, AnswerLimit: 10 * time.Second, RetryPark: 2 * time.Second, SlotPoll: time.Second, Sweep: time.Second,
		SidecarWait: 3 * time.Second, BackoffMin: 2 * time.Second, BackoffMax: 30 * time.Second,
	}
	e.Ledger = state.Settings{StartGrace: 15 * time.Second}
	mo.Scale, mo.SweepScale = 1, 60
	mo.Steps.Now = nil
	return nil
}

func (s *Stack) listen(run context.Context, l net.Listener, h http.Handler) {
	s.wg.Go(func() {
		if err := gateway.Serve(run, l, h); err != nil {
			s.failed <- err
		}
	})
}

// serve starts the API and the schedules, and announces where everything listens.
func (s *Stack) serve(run context.Context, o Options) error {
	gw, err := gateway.New(gateway.Options{
		Routes: s.Template.Routes, Invoker: s.Functions, Key: s.Identity.Key, Log: o.Log,
	})
	if err != nil {
		return err
	}
	public, err := gateway.New(gateway.Options{Routes: s.Template.Routes, Invoker: s.Functions, Public: true, Log: o.Log})
	if err != nil {
		return err
	}
	s.listen(run, s.public, public)
	l, err := gateway.Listen(run, orAny(o.API))
	if err != nil {
		return err
	}
	s.Running.API = "http://" + l.Addr().String()
	s.listen(run, l, gw)
	s.wg.Go(func() { s.Machine.Run(run) })
	return s.folder.announce(s.Running)
}

// recover goes on with what an earlier process left: executions that ran then, objects whose event was lost.
func (s *Stack) recover(ctx, run context.Context) error {
	n, err := s.Recover(ctx)
	if err != nil {
		return fault.Wrap("stack.recover", err)
	}
	if n > 0 {
		s.log.Info("unfinished uploads go on", "uploads", n)
	}
	s.wg.Go(func() {
		if _, err := s.Bucket.Replay(run, time.Time{}); err != nil && run.Err() == nil {
			s.log.Error("objects of the bucket were not all looked at", "error", err.Error())
		}
		for run.Err() == nil {
			if _, err := s.Bucket.Expire(run, time.Now().Add(-unfinishedAge)); err != nil && run.Err() == nil {
				s.log.Warn("unfinished uploads of the bucket were not all ended", "error", err.Error())
			}
			select {
			case <-run.Done():
			case <-time.After(time.Hour):
			}
		}
	})
	return nil
}

// dropped puts an object's event onto the bus, whose rule hands it to ingest.
func (s *Stack) dropped(ctx context.Context, e bucket.Event) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	if s.Machine == nil {
		return errors.New("the stack is starting")
	}
	return s.Bus.Put(ctx, scheduler.Event{ID: e.ID, Source: e.Source, DetailType: e.DetailType, Time: e.Time, Resources: e.Resources, Detail: detail})
}

func (s *Stack) count(id string, n int64) {
	v, ok := s.progress.Load(id)
	if !ok {
		v, _ = s.progress.LoadOrStore(id, new(atomic.Int64))
	}
	v.(*atomic.Int64).Add(n)
}

// SentNow is how many bytes of an upload were handed to the platform since this process started.
func (s *Stack) SentNow(id string) int64 {
	if v, ok := s.progress.Load(id); ok {
		return v.(*atomic.Int64).Load()
	}
	return 0
}

// Failed tells of a listener that stopped by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// Close stops everything and waits for it. What is unfinished goes on at the next start.
func (s *Stack) Close() error {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var errs []error
	if s.Machine != nil {
		errs = append(errs, s.Machine.Close(ctx))
	}
	if s.conns != nil {
		s.conns.CloseIdleConnections() // the bucket waits for them
	}
	if s.Bucket != nil {
		errs = append(errs, s.Bucket.Close())
	}
	if s.public != nil {
		_ = s.public.Close() // its server has closed it, if there was one
	}
	s.wg.Wait()
	errs = append(errs, s.closeFakes())
	if s.table != nil {
		errs = append(errs, s.table.Close())
	}
	if s.folder != nil {
		errs = append(errs, s.folder.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the stack: %w", err)
	}
	return nil
}
