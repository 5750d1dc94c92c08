// The bytes of messages and memberships: what goes in comes out; damaged ones are refused.
#include "raft/core/message_codec.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace keelson::raft {
namespace {

Message sample(Rng& rng) {
  Message m;
  const auto n = [&rng] { return rng.next() >> rng.below(64); };
  m.type = static_cast<MessageType>(rng.below(15) + 1);
  m.from = NodeId(n());
  m.to = NodeId(n());
  m.term = Term(n());
  m.prev_index = Index(n());
  m.prev_term = Term(n());
  m.commit = Index(n());
  m.reject = rng.below(2) != 0;
  m.index = Index(n());
  m.hint_index = Index(n());
  m.hint_term = Term(n());
  m.context = n();
  m.force = rng.below(2) != 0;
  for (auto k = rng.below(4); k > 0; --k) {
    m.entries.push_back({Term(n()), Index(n()), Bytes(std::string(rng.below(300), 'd')),
                         static_cast<EntryType>(rng.below(2))});
  }
  if (rng.below(3) == 0) {
    m.snapshot =
        SnapshotMeta{Index(n()), Term(n()), {.voters = {NodeId(1), NodeId(2)}, .voters_old = {NodeId(3)}}};
    m.snapshot->membership.learners_next = {NodeId(3)};
  }
  return m;
}

TEST(MessageCodec, WhatGoesInComesOut) {
  Rng rng(7);
  for (int i = 0; i < 2000; ++i) {
    const Message m = sample(rng);
    std::string bytes;
    encode(m, bytes);
    EXPECT_LE(bytes.size(), encoded_size_hint(m));
    const auto back = decode_message(Bytes(bytes));
    ASSERT_TRUE(back) << back.error().to_string();
    std::string again;
    encode(*back, again);
    ASSERT_EQ(bytes, again);
    EXPECT_EQ(back->entries.size(), m.entries.size());
    EXPECT_EQ(back->snapshot.has_value(), m.snapshot.has_value());
    EXPECT_EQ(back->context, m.context);
  }
}

TEST(MessageCodec, EntriesShareTheMemoryOfTheMessage) {
  std::string bytes;
  encode({.type = MessageType::kAppend, .entries = {{.data = Bytes::literal("payload")}}}, bytes);
  const Bytes input(std::move(bytes));
  const auto m = decode_message(input);
  ASSERT_TRUE(m);
  const char* data = m->entries.at(0).data.data();
  EXPECT_TRUE(data > input.data() && data < input.data() + input.size());
}

TEST(MessageCodec, DamagedOnesAreRefused) {
  EXPECT_FALSE(decode_message(Bytes()));
  EXPECT_FALSE(decode_message(Bytes::literal("\x08\x63")));  // type 99
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    std::string bytes;
    encode(sample(rng), bytes);
    bytes.resize(rng.below(bytes.size()));
    (void)decode_message(Bytes(bytes));  // must not crash
  }
}

TEST(Membership, SingleStepsAndJointChanges) {
  const Membership three{.voters = {NodeId(1), NodeId(2), NodeId(3)}};
  using Op = ConfChange::Op;
  // Replaces a majority in one change.
  const auto joint = apply(three, {.steps = {{Op::kRemove, NodeId(2)},
                                             {Op::kRemove, NodeId(3)},
                                             {Op::kAddVoter, NodeId(4)},
                                             {Op::kAddLearner, NodeId(1)},
                                             {Op::kAddLearner, NodeId(5)}}});
  ASSERT_TRUE(joint);
  EXPECT_EQ(joint->voters, (std::vector{NodeId(4)}));
  EXPECT_EQ(joint->voters_old, three.voters);
  EXPECT_EQ(joint->learners, (std::vector{NodeId(5)}));
  EXPECT_EQ(joint->learners_next, (std::vector{NodeId(1)}));
  EXPECT_TRUE(joint->auto_leave);
  EXPECT_EQ(decode_membership(encode(*joint)).value(), *joint);
  EXPECT_FALSE(apply(*joint, {.steps = {{Op::kRemove, NodeId(5)}}}));
  const auto left = apply(*joint, {});
  ASSERT_TRUE(left);
  EXPECT_EQ(*left, (Membership{.voters = {NodeId(4)}, .learners = {NodeId(1), NodeId(5)}}));

  EXPECT_FALSE(apply(three, {}));
  EXPECT_FALSE(apply(three, {.steps = {{Op::kPromote, NodeId(4)}}}));
  EXPECT_FALSE(apply({.voters = {NodeId(1)}}, {.steps = {{Op::kRemove, NodeId(1)}}}));
  EXPECT_FALSE(apply(three, {.steps = {{Op::kAddVoter, NodeId()}}}));
  const auto promoted = apply(*left, {.steps = {{Op::kPromote, NodeId(5)}}});
  ASSERT_TRUE(promoted);
  EXPECT_EQ(promoted->voters, (std::vector{NodeId(4), NodeId(5)}));
}

TEST(Membership, DamagedBytesAreRefused) {
  EXPECT_FALSE(decode_membership("\x08\x02\x08\x01"));                   // not sorted
  EXPECT_FALSE(decode_membership("\x08\x01\x18\x01"));                   // voter and learner
  EXPECT_FALSE(decode_conf_change(Bytes::literal("\x0a\x02\x08\x02")));  // no such step
}

}  // namespace
}  // namespace keelson::raft
