// Strict serializability of a history. etcd gives every write a revision, so nothing has to be searched for:
// the revisions are the order. What is checked, in O(n log n):
//
//  - every acknowledged write is in the log at the revision it was told, changed exactly what the request
//    says when run right after the revision before, and answered what it had to;
//  - every other revision was made by an operation without an answer, at most one each (found by its unique
//    values, or by what it deletes), or by the end of a lease; nothing that failed is there, nothing is there
//    twice;
//  - every read saw the state of one revision;
//  - real time: an operation's place in that order is not before anything that was acknowledged before it was
//    invoked. Serializable reads may be old, never from the future.
#pragma once

#include <unordered_map>

#include "jepsen/model.h"

namespace keelson::jepsen {

struct SerializableResult {
  Violations violations;
  // The operation that made each revision of the log; null: the end of a lease.
  std::unordered_map<Revision, const Op*> authors;
};
SerializableResult check_serializable(const std::vector<Op>& ops, const Model& model);

}  // namespace keelson::jepsen
