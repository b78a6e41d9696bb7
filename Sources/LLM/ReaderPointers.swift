import Reactor

// What is asked of readers where they stand: a call on the value would get a copy of all of it.

extension UnsafeMutablePointer<RequestReader> {
    /// `RequestReader.withModel`, in the reader's own memory; never nil.
    @inlinable
    public var modelName: Bytes {
        let model = MemoryLayout<RequestReader>.offset(of: \.model).unsafelyUnwrapped
        return Bytes(
            (UnsafeRawPointer(self) + model).assumingMemoryBound(to: UInt8.self), Int(pointee.modelLength))
    }
}

extension UnsafeMutablePointer<AnswerReader> {
    /// `AnswerReader.withServedModel`, in the reader's own memory: what it reads next may change it.
    @inlinable
    public var servedModel: Bytes {
        let model = MemoryLayout<AnswerReader>.offset(of: \.model).unsafelyUnwrapped
        return Bytes(
            (UnsafeRawPointer(self) + model).assumingMemoryBound(to: UInt8.self), Int(pointee.modelLength))
    }
}
