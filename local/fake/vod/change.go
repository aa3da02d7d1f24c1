package vod

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// updateVideoInfo: ref. a.3. What is not sent, or sent empty, stays.
func (s *Server) updateVideoInfo(c call) (any, *rpc.Error) {
	v := s.video(c.get("VideoId"))
	if v == nil {
		return nil, fail("InvalidVideo.NotFound")
	}
	if err := s.checkMetadata(c.Params); err != nil {
		return nil, err
	}
	if _, err := number(c.Params, "CateId", 0, 0, 1<<62); err != nil {
		return nil, err
	}
	if _, err := s.parseUserData(c.get("UserData")); err != nil {
		return nil, err
	}
	changes := map[string]change{}
	for name, text := range fields(c.Params, "Title", "Description", "Tags", "CoverURL", "CateId", "UserData", "DownloadSwitch", "CustomMediaInfo") {
		if old := v.Fields[name]; old != text {
			changes[name] = change{old, text}
			v.Fields[name] = text
		}
	}
	if len(changes) > 0 {
		v.Modified, s.dirty = c.now, true
		s.emitBase(v, "update", changes, c.now)
	}
	return c.base, nil
}

// deleteVideo: ref. a.3. Videos that exist are deleted although others of the list do not.
func (s *Server) deleteVideo(c call) (any, *rpc.Error) {
	ids := strings.Split(c.get("VideoIds"), ",")
	if len(ids) > s.o.Limits.DeleteIDs {
		return nil, fail("VideoIdsExceededMax")
	}
	a := struct {
		base
		ForbiddenVideoIds, NonExistVideoIds []string
	}{c.base, []string{}, []string{}}
	deleted := 0
	for _, id := range ids {
		v := s.video(strings.TrimSpace(id))
		if v == nil {
			a.NonExistVideoIds = append(a.NonExistVideoIds, id)
			continue
		}
		deleted++
		v.Deleted, s.dirty = c.now, true
		s.emitDelete(v, c.now)
		s.emitBase(v, "delete", nil, c.now)
	}
	if deleted == 0 {
		return nil, fail("InvalidVideo.NotFound")
	}
	return a, nil
}

// createAudit is a person's verdict: a JSON list of at most 100, a reason of 128 bytes, a comment of 512 (vendor's page).
func (s *Server) createAudit(c call) (any, *rpc.Error) {
	var list []struct{ VideoId, Status, Reason, Comment string }
	if json.Unmarshal([]byte(c.get("AuditContent")), &list) != nil || len(list) == 0 || len(list) > 100 {
		return nil, invalid("AuditContent")
	}
	for _, one := range list {
		switch {
		case one.Status != string(Normal) && one.Status != string(Blocked):
			return nil, invalid("AuditContent.Status")
		case one.Status == string(Blocked) && one.Reason == "":
			return nil, invalid("AuditContent.Reason")
		case len(one.Reason) > 128, len(one.Comment) > 512:
			return nil, fail("LengthExceededMax", "(AuditContent)")
		case s.video(one.VideoId) == nil:
			return nil, fail("InvalidVideo.NotFound")
		}
	}
	for _, one := range list {
		v := s.video(one.VideoId)
		s.judge(v, Status(one.Status), one.Reason, c.now)
		s.emitCreateAudit(v, c.Key.Owner, c.now)
	}
	return c.base, nil
}

// setMessageCallback: ref. a.3. One HTTP configuration per app; what is not sent is empty afterwards.
func (s *Server) setMessageCallback(c call) (any, *rpc.Error) {
	set := setting{Type: strings.ToUpper(c.get("CallbackType")), URL: c.get("CallbackURL"), Events: c.get("EventTypeList"), AuthSwitch: c.get("AuthSwitch"),
		AuthKey: c.get("AuthKey"), Endpoint: c.get("MnsEndpoint"), Queue: c.get("MnsQueueName")}
	setDefault(&set.Type, "HTTP")
	setDefault(&set.AuthSwitch, "off")
	switch {
	case set.Type != "HTTP" && set.Type != "MNS":
		return nil, invalid("CallbackType")
	case set.Type == "HTTP" && set.URL == "":
		return nil, s.missing("CallbackURL")
	case set.Type == "HTTP" && (!webAddress(set.URL) || len(set.URL) > 256):
		return nil, invalid("CallbackURL")
	case set.Type == "MNS" && set.Endpoint == "":
		return nil, s.missing("MnsEndpoint")
	case set.Type == "MNS" && set.Queue == "":
		return nil, s.missing("MnsQueueName")
	case set.AuthSwitch != "on" && set.AuthSwitch != "off":
		return nil, invalid("AuthSwitch")
	case set.AuthSwitch == "on" && set.AuthKey == "":
		return nil, s.missing("AuthKey")
	case set.AuthKey != "" && !s.goodKey(set.AuthKey):
		return nil, invalid("AuthKey")
	}
	app, err := s.appOf(c)
	if err != nil {
		return nil, err
	}
	s.st.Configs[app], s.dirty = &set, true
	return c.base, nil
}

// goodKey: at most 32, with upper and lower case letters and digits (ref. a.3).
func (s *Server) goodKey(key string) bool {
	upper := strings.ContainsFunc(key, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	lower := strings.ContainsFunc(key, func(r rune) bool { return r >= 'a' && r <= 'z' })
	return len(key) <= s.o.Limits.AuthKey && upper && lower && strings.ContainsAny(key, "0123456789")
}

func (s *Server) appOf(c call) (string, *rpc.Error) {
	app := c.get("AppId")
	setDefault(&app, DefaultApp)
	if !slices.Contains(s.o.Apps, app) {
		return "", invalid("AppId")
	}
	return app, nil
}

// getMessageCallback answers the key in clear (ref. a.3).
func (s *Server) getMessageCallback(c call) (any, *rpc.Error) {
	app, err := s.appOf(c)
	if err != nil {
		return nil, err
	}
	set := s.st.Configs[app]
	if set == nil && s.o.Readings.NoCallback == "notfound" {
		return nil, fail("InvalidMessageCallback.NotFound")
	}
	if set == nil {
		set = &setting{}
	}
	type messageCallback struct {
		AppId, CallbackType, CallbackURL, EventTypeList, AuthSwitch, AuthKey, MnsEndpoint, MnsQueueName string
	}
	return struct {
		base
		MessageCallback messageCallback
	}{c.base, messageCallback{app, set.Type, set.URL, set.Events, set.AuthSwitch, set.AuthKey, set.Endpoint, set.Queue}}, nil
}

func (s *Server) deleteMessageCallback(c call) (any, *rpc.Error) {
	app, err := s.appOf(c)
	if err != nil {
		return nil, err
	}
	delete(s.st.Configs, app)
	s.dirty = true
	return c.base, nil
}
