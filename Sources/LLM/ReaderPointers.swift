import Reactor

// What is done with readers where they stand: a call on the value would get a copy of all of it.

extension UnsafeMutablePointer<RequestReader> {
    /// Makes it one that has read nothing, as `fresh` is: all of it but texts, of which none is there.
    public func renew(as fresh: UnsafePointer<RequestReader>) {
        let walk = MemoryLayout<RequestReader>.offset(of: \.walk).unsafelyUnwrapped
        UnsafeMutableRawPointer(self).copyMemory(from: fresh, byteCount: walk + JSONWalk.textOffset)
    }

    /// `RequestReader.withModel`, in the reader's own memory; never nil.
    @inlinable
    public var modelName: Bytes {
        let model = MemoryLayout<RequestReader>.offset(of: \.model).unsafelyUnwrapped
        return Bytes(
            (UnsafeRawPointer(self) + model).assumingMemoryBound(to: UInt8.self), Int(pointee.modelLength))
    }
}

extension UnsafeMutablePointer<AnswerReader> {
    /// Makes it one that has read nothing, as `fresh` is: all of it but texts and numbers, of which none is there.
    public func renew(as fresh: UnsafePointer<AnswerReader>) {
        let walk = MemoryLayout<AnswerReader>.offset(of: \.walk).unsafelyUnwrapped
        UnsafeMutableRawPointer(self).copyMemory(from: fresh, byteCount: walk + JSONWalk.textOffset)
        pointee.fields.removeAll()
        pointee.report.removeAll()
    }

    /// `AnswerReader.withServedModel`, in the reader's own memory: what it reads next may change it.
    @inlinable
    public var servedModel: Bytes {
        let model = MemoryLayout<AnswerReader>.offset(of: \.model).unsafelyUnwrapped
        return Bytes(
            (UnsafeRawPointer(self) + model).assumingMemoryBound(to: UInt8.self), Int(pointee.modelLength))
    }
}
